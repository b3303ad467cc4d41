"""The parts of NPWG v1.3 that a plugin may leave out: cni-args, default-route, devices, IPAM claims."""
