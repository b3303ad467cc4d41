"""`nadmit who`: who has an address, a MAC or a device, what asks for it, and which addresses of a network are free."""
