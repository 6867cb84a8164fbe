"""SGD and SGDM side by side, for compare, estimate and report."""
