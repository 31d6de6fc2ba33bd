locals {
  kinesis_streams = {
    for name, shards in { (local.events_topic) = var.kinesis_shards, (local.bad_events_topic) = var.kinesis_bad_events_shards } :
    name => shards if local.kinesis
  }
  kinesis_stream_arns = values(aws_kinesis_stream.this)[*].arn
  # A consumer's ARN ends with when it was registered.
  kinesis_consumer_arns = [
    for pair in setproduct(local.kinesis_stream_arns, compact([var.kinesis_fan_out_consumer])) : "${pair[0]}/consumer/${pair[1]}:*"
  ]
}

resource "aws_kinesis_stream" "this" {
  for_each = local.kinesis_streams

  name                   = each.key
  shard_count            = var.kinesis_mode == "provisioned" ? each.value : null
  retention_period       = var.kinesis_retention_hours
  max_record_size_in_kib = var.kinesis_record_kib_max
  encryption_type        = "KMS"
  kms_key_id             = coalesce(var.kms_key_arn, "alias/aws/kinesis")
  # Else a stream that somebody reads by enhanced fan-out cannot be destroyed.
  enforce_consumer_deletion = true
  tags                      = var.tags

  stream_mode_details {
    stream_mode = upper(var.kinesis_mode)
  }
}
