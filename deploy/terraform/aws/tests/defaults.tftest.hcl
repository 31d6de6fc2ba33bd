mock_provider "aws" {
  source = "./tests/mocks"
}

run "defaults" {
  assert {
    condition     = sort(keys(aws_kinesis_stream.this)) == tolist(["headgate-bad-events", "headgate-events"])
    error_message = "there is a stream for events and one for rejected events"
  }

  assert {
    condition = alltrue([
      for stream in aws_kinesis_stream.this : stream.shard_count == null && stream.stream_mode_details[0].stream_mode == "ON_DEMAND"
    ])
    error_message = "an on-demand stream has no number of shards"
  }

  assert {
    condition     = alltrue([for stream in aws_kinesis_stream.this : stream.encryption_type == "KMS" && stream.kms_key_id == "alias/aws/kinesis"])
    error_message = "streams are encrypted without a key of one's own too"
  }

  assert {
    condition     = aws_s3_bucket.lake.bucket == "headgate-123456789012-eu-central-1"
    error_message = "the bucket's name has account and region"
  }

  assert {
    condition     = tolist(aws_s3_bucket_server_side_encryption_configuration.lake.rule)[0].apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "without a key the bucket encrypts by SSE-S3"
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.lake.rule : rule.id] == ["unfinished-uploads", "probes", "load-manifests"]
    error_message = "no rule touches what has landed"
  }

  assert {
    condition     = sort(keys(output.role_arns)) == tolist(["gateway", "sink"]) && length(output.instance_profile_names) == 0
    error_message = "gateway and sink have a role each, and profiles are for EC2 alone"
  }

  assert {
    condition     = aws_redshiftserverless_workgroup.this[0].publicly_accessible == false && aws_redshiftserverless_namespace.this[0].manage_admin_password
    error_message = "the warehouse is closed, and its password is Secrets Manager's"
  }

  assert {
    condition     = strcontains(output.redshift_setup_sql, "CREATE ON SCHEMA public TO \"IAMR:headgate-sink\"")
    error_message = "sinks are a database user of their own"
  }
}

run "without_stream_and_warehouse" {
  variables {
    stream                = "none"
    warehouse             = "none"
    transition_after_days = 1
  }

  assert {
    condition = (
      aws_s3_bucket_lifecycle_configuration.lake.rule[3].filter[0].object_size_greater_than == 1048576 &&
      length(aws_s3_bucket_lifecycle_configuration.lake.rule[3].filter[0].and) == 0
    )
    error_message = "without a prefix there is one condition, and no `and`"
  }

  assert {
    condition     = toset(keys(output.role_arns)) == toset(["sink"])
    error_message = "without a stream there is nothing that a gateway may do"
  }

  assert {
    condition     = output.copy_role_arn == null && output.redshift_endpoint == null && output.redshift_setup_sql == null && output.msk_bootstrap_brokers == null && length(output.kinesis_stream_arns) == 0
    error_message = "what is not made is not told of"
  }
}

run "everything" {
  variables {
    name                           = "web"
    tags                           = { team = "data" }
    kms_key_arn                    = "arn:aws:kms:eu-central-1:123456789012:key/0e1f5b1d-7a3c-4a54-9b38-0ad8a0e8d2aa"
    bucket_name                    = "web-lake"
    bucket_prefix                  = "lake/web"
    transition_after_days          = 60
    glue_database                  = "web"
    events_topic                   = "clicks"
    kinesis_mode                   = "provisioned"
    kinesis_shards                 = 4
    kinesis_record_kib_max         = 2048
    kinesis_fan_out_consumer       = "headgate"
    redshift_login                 = "admin_secret"
    redshift_max_capacity_rpu      = 64
    redshift_rpu_hours_per_day_max = 100
    redshift_subnet_ids            = ["subnet-1", "subnet-2", "subnet-3"]
    redshift_security_group_ids    = ["sg-1"]
    roles_assumed_by               = ["ec2", "ecs", "eks"]
    irsa = {
      oidc_provider_arn       = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC"
      namespace               = "events"
      gateway_service_account = "gateway"
      sink_service_account    = "sink"
    }
  }

  assert {
    condition     = { for name, stream in aws_kinesis_stream.this : name => stream.shard_count } == { "clicks" = 4, "web-bad-events" = 1 }
    error_message = "provisioned streams have their shards"
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.lake.rule : rule.id] == ["unfinished-uploads", "probes", "load-manifests", "large-files"]
    error_message = "large files go to another class"
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.lake.rule[1].filter[0].prefix == "lake/web/_probe/"
    error_message = "rules are about what is below the prefix"
  }

  assert {
    condition = (
      aws_s3_bucket_lifecycle_configuration.lake.rule[3].filter[0].object_size_greater_than == null &&
      aws_s3_bucket_lifecycle_configuration.lake.rule[3].filter[0].and[0].prefix == "lake/web/"
    )
    error_message = "with a prefix both conditions are within `and`"
  }

  assert {
    condition = alltrue([
      aws_kinesis_stream.this["clicks"].kms_key_id == var.kms_key_arn,
      aws_redshiftserverless_namespace.this[0].kms_key_id == var.kms_key_arn,
      tolist(aws_s3_bucket_server_side_encryption_configuration.lake.rule)[0].apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn,
    ])
    error_message = "the key encrypts all"
  }

  assert {
    condition     = output.instance_profile_names == { gateway = "web-gateway", sink = "web-sink" }
    error_message = "EC2 takes roles by instance profiles"
  }

  assert {
    condition = jsondecode(aws_iam_role.process["gateway"].assume_role_policy).Statement[3].Condition.StringEquals == {
      "oidc.eks.eu-central-1.amazonaws.com/id/ABC:aud" = "sts.amazonaws.com"
      "oidc.eks.eu-central-1.amazonaws.com/id/ABC:sub" = "system:serviceaccount:events:gateway"
    }
    error_message = "a service account takes the role of its own process"
  }

  assert {
    condition     = output.redshift_setup_sql == null
    error_message = "the admin needs no grants"
  }
}
