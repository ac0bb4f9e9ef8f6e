"""Durable jobs: a queue, a scheduler, workers and the engines on which they run."""
