"""Durable jobs: many recordings, or long ones, later."""
