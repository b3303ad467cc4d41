"""What keeps a pod, a workload or a network from working: objects and events in, one cause with its fix out.

Pure. What the API server knows comes in as plain JSON (`objectset`), and what the webhook would say now as decisions.
Events are texts of other programs, so this room takes them apart; nothing else in the project may.
"""
