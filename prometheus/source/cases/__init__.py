"""What each alert's unit tests feed, and which alerts fire then."""
