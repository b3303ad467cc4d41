"""The compiled form of the project: the modules that a review passes through, as machine code, made by mypyc.

What belongs here: which modules are compiled, the wheel with them, and a tree in which the tests run on them. What does
not belong here: any change of what the modules do. The compiled form gives the same answers, word for word, and the
sources stay beside it. The node bundle stays plain: a process that lives 20 ms does not gain what loading it costs.
"""
