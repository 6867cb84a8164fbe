"""The importers of formats that belong to no tool: one file each."""
