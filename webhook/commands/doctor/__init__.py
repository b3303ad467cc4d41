"""The command `nadmit doctor`: what of an installation is missing or wrong, and the command that repairs it.

Belongs here: a module for each subject of the installation, which asks the API server and returns results, and their
rendering. Does not belong here: repairing anything; what is right, which the rooms below know.

Arrows: `doctorcommand` > `examination`, `doctorreport` > the subjects > `asking`, `installation` > `results`.
"""
