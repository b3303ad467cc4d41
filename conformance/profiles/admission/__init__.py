"""Profile `admission`: any webhook that judges definitions or pods.

No standard demands that somebody judges objects before they are stored. So MUST is what the API server demands of each
answer, and that nothing is refused which the standards allow: such a refusal breaks a cluster that works. SHOULD means
that a webhook refuses what breaks the standards. PRACTICE is what users and operators need beside that.
"""
