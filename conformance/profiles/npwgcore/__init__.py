"""Selection, delegation, status and the default network: NPWG v1.3, sections 3 to 7, that every plugin must have."""
