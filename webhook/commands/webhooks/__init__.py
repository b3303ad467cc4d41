"""`nadmit webhooks`: the registration of the webhooks, shown, staged and looked at."""
