"""What the chart takes from elsewhere in the project, and the plain manifests that are made from the chart."""
