"""Changes to a pod on its way into the cluster: values in, a JSON Patch out.

Belongs here: one module per kind of change, each with functions from pod to pod, and `podmutation`, which calls them in
order. Does not belong here: the judgement of networks, the wire, the reading of settings. Must not know: who sends the
pod, or what the rules allow; the networks that it adds are judged like any other request.
"""
