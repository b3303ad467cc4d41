"""Agreement, measured: what the webhook says of pods and definitions, beside what a node makes of them.

`python -m tests.agreement` judges each case in process, attaches it with the node plugin of this project (and with a
Multus binary, if one is given) in real network namespaces with real CNI plugins, and prints who disagrees. Verdicts are
computed and never stored. Disagreements that are known are in `known.yaml`, each with its reason. What belongs here:
cases, the node that tries them, and the comparison. What does not: tests of one rule.
"""
