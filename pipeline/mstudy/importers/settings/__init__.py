"""What runs say of how they were trained, under the names of many tools."""
