"""The registration of the webhooks with the API server.

Belongs here: the tables of webhooks, their CEL conditions, the comparison with the registered ones, and the thread that
keeps the webhook configurations of one name as they should be.
Does not belong here: reviews, certificates, the rotation of the authority.
Must not know: how reviews are judged, except the names of kinds and annotations.
"""
