"""A strict fake of Amazon Redshift for Headgate's tests: Redshift's rules in front of a real PostgreSQL. See ../README.md."""
