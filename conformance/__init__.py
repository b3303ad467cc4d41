"""A conformance suite for CNI meta plugins and for the webhooks beside them: tests of any program, from outside.

It knows a program only by a subject file, and by what the program does: the delegates that it calls, its answers, the
namespace of the pod, its requests to the API server. It imports no other package of this project. README.md says how a
profile is written, docs/conformance/ how the suite is run.
"""
