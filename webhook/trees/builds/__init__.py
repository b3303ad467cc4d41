"""What other programs make of the files of a tree: the objects of kustomizations and of Helm charts.

Belongs here: which files belong to a build, running kubectl and helm, where a built field is written. Does not belong
here: which builds a command asks for. Nothing here fetches anything.
"""
