"""What is given up or freed by hand: forget, gc, and GC beside Multus."""
