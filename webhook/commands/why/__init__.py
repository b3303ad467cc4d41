"""`nadmit why`: what keeps a pod, a workload or a network from working, from a cluster or from files."""
