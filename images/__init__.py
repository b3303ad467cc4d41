"""Images for a container runtime, built from files alone: no daemon, no base image, no root.

What belongs here: the parts of an image (packages of Debian, wheels of Python), layers, the OCI archive, the bill of
materials, and one program for each image. `parts` is the only module that uses the network. What does not belong here:
what the node plugin consists of, which is the subject of `manifests/node/bundle.py`.
"""
