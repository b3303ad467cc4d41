"""What a change of objects does to pods: two verdicts about each pod in, what differs between them out.

Pure. A pod is judged before and after the change by whoever calls, and here the two answers become outcomes: refused,
or the attachments that a node would make. Does not belong here: the judgement itself (`admission`), and who may attach
to what (`report.accesschanges`). `planned` > `podeffects` > `podoutcome`; `workloadpods` and `applying` make the input.
"""
