"""The series store: points over time, how they are kept, selected, resampled and exported."""
