"""Who may attach to what: the one evaluator that the webhook and the node plugin both run.

Belongs here: the model of the rules, the judgement of one attachment, and the words of a refusal, which must be the
same at both ends. Does not belong here: reading policies from anywhere, HTTP, kubectl, CNI.
Must not know: who asks. Standard library only, pure.
"""
