"""Upgrade campaigns: the agents of an assignment move from one version to another, stage by stage."""
