"""Profile `injection`: any webhook that puts into new pods what their networks need.

Its reference is what network-resources-injector (NRI) documents in its README. MUST is what the API server demands of
the answer, of the patch, and of the pod that comes out, which it validates. SHOULD is what NRI documents. PRACTICE is
what operators need beside that.
"""
