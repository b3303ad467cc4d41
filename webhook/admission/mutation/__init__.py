"""What is put into a pod on its way into the cluster: values in, a JSON Patch out.

Belongs here: one file per thing that is put, each a function from pod to pod, and `mutate`, which calls them in order.
Does not belong here: the judgement of networks, the wire, settings' reading. Must not know: who asks, or what the
rules allow; what is put is judged like everything else that a pod asks for.
"""
