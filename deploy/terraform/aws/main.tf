data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region

  kinesis  = var.stream == "kinesis"
  msk      = var.stream == "msk"
  redshift = var.warehouse == "redshift_serverless"

  # Kinesis' names are the account's, MSK's the cluster's own.
  events_topic     = coalesce(var.events_topic, local.kinesis ? "${var.name}-events" : "events")
  bad_events_topic = coalesce(var.bad_events_topic, local.kinesis ? "${var.name}-bad-events" : "bad_events")

  bucket_name = coalesce(var.bucket_name, "${var.name}-${local.account}-${local.region}")
  bucket_arn  = "arn:${local.partition}:s3:::${local.bucket_name}"
  # What every key begins with: empty, or with a slash at its end.
  key_prefix = var.bucket_prefix == "" ? "" : "${var.bucket_prefix}/"

  # One key or none, as a list: a statement about no key is left out.
  kms_keys = compact([var.kms_key_arn])
}
