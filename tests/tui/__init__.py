"""Stories told through the screens, over real replicas, with the network off."""
