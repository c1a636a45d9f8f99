"""What nodes say to each other, as pure functions and state machines over bytes."""
