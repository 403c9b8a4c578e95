"""The dashboards as code: a module a dashboard, and the pieces that they share."""
