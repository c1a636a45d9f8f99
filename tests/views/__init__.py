"""The folds, over histories written and made up."""
