output "bucket" {
  description = "The bucket's name."
  value       = aws_s3_bucket.lake.bucket
}

output "kinesis_stream_arns" {
  description = "The streams' ARNs; none without Kinesis."
  value       = local.kinesis_stream_arns
}

output "msk_bootstrap_brokers" {
  description = "The cluster's brokers for clients that use IAM, with a comma between them; null without MSK."
  value       = one(data.aws_msk_bootstrap_brokers.this[*].bootstrap_brokers_sasl_iam)
}

output "role_arns" {
  description = "The roles of the processes: `sink`, and `gateway` where there is a stream."
  value       = { for process, role in aws_iam_role.process : process => role.arn }
}

output "instance_profile_names" {
  description = "The instance profiles of the processes, where `roles_assumed_by` has `ec2`."
  value       = { for process, profile in aws_iam_instance_profile.process : process => profile.name }
}

output "copy_role_arn" {
  description = "The role that Redshift reads the bucket with; null without a warehouse."
  value       = one(aws_iam_role.copy[*].arn)
}

output "redshift_workgroup" {
  description = "The workgroup's name; null without a warehouse."
  value       = one(aws_redshiftserverless_workgroup.this[*].workgroup_name)
}

output "redshift_endpoint" {
  description = "The host that clients of the PostgreSQL protocol connect to, on port 5439; null without a warehouse."
  value       = one([for workgroup in aws_redshiftserverless_workgroup.this : workgroup.endpoint[0].address])
}

output "redshift_admin_secret_arn" {
  description = "The secret with the admin's password; null without a warehouse."
  value       = one(aws_redshiftserverless_namespace.this[*].admin_password_secret_arn)
}

output "redshift_setup_sql" {
  description = "What the admin runs once in the database, so that sinks may make their tables; null where there is no warehouse or sinks are the admin."
  value       = local.redshift && var.redshift_login == "iam" ? local.setup_sql : null
}

output "headgate_toml" {
  description = "The part of Headgate's configuration that follows from all this, the same for every process."
  value       = local.headgate_toml
}
