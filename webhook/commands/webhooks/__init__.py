"""The commands `nadmit webhooks`: show the registration of the webhooks, compare it, and choose its stage."""
