# Each run sets one thing that is not allowed, and expects to be told of it.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "name" {
  command = plan

  variables {
    name = "Headgate"
  }

  expect_failures = [var.name]
}

run "kms_key_arn" {
  command = plan

  variables {
    kms_key_arn = "alias/lake"
  }

  expect_failures = [var.kms_key_arn]
}

run "stream" {
  command = plan

  variables {
    stream = "kafka"
  }

  expect_failures = [var.stream]
}

run "events_topic" {
  command = plan

  variables {
    events_topic = "events.{type}"
  }

  expect_failures = [var.events_topic]
}

run "bad_events_topic" {
  command = plan

  variables {
    bad_events_topic = "bad events"
  }

  expect_failures = [var.bad_events_topic]
}

run "bucket_name" {
  command = plan

  variables {
    bucket_name = "web.lake"
  }

  expect_failures = [var.bucket_name]
}

run "bucket_prefix" {
  command = plan

  variables {
    bucket_prefix = "lake/"
  }

  expect_failures = [var.bucket_prefix]
}

run "uploads_abort_after_days" {
  command = plan

  variables {
    uploads_abort_after_days = 0
  }

  expect_failures = [var.uploads_abort_after_days]
}

run "manifests_expire_after_days" {
  command = plan

  variables {
    manifests_expire_after_days = 1
  }

  expect_failures = [var.manifests_expire_after_days]
}

run "transition_after_days" {
  command = plan

  variables {
    transition_after_days    = 10
    transition_storage_class = "STANDARD_IA"
  }

  expect_failures = [var.transition_after_days]
}

run "transition_storage_class" {
  command = plan

  variables {
    transition_storage_class = "DEEP_ARCHIVE"
  }

  expect_failures = [var.transition_storage_class]
}

run "transition_object_bytes_min" {
  command = plan

  variables {
    transition_object_bytes_min = 1024
  }

  expect_failures = [var.transition_object_bytes_min]
}

run "glue_database" {
  command = plan

  variables {
    glue_database = "Web-Events"
  }

  expect_failures = [var.glue_database]
}

run "kinesis_mode" {
  command = plan

  variables {
    kinesis_mode = "ON_DEMAND"
  }

  expect_failures = [var.kinesis_mode]
}

run "kinesis_shards" {
  command = plan

  variables {
    kinesis_shards = 0
  }

  expect_failures = [var.kinesis_shards]
}

run "kinesis_bad_events_shards" {
  command = plan

  variables {
    kinesis_bad_events_shards = 1.5
  }

  expect_failures = [var.kinesis_bad_events_shards]
}

run "kinesis_retention_hours" {
  command = plan

  variables {
    kinesis_retention_hours = 12
  }

  expect_failures = [var.kinesis_retention_hours]
}

run "kinesis_record_kib_max" {
  command = plan

  variables {
    kinesis_record_kib_max = 512
  }

  expect_failures = [var.kinesis_record_kib_max]
}

run "kinesis_fan_out_consumer" {
  command = plan

  variables {
    kinesis_fan_out_consumer = "all of them"
  }

  expect_failures = [var.kinesis_fan_out_consumer]
}

run "msk_cluster" {
  command = plan

  variables {
    msk_cluster = "express"
  }

  expect_failures = [var.msk_cluster]
}

run "msk_cluster_arn" {
  command = plan

  variables {
    stream         = "msk"
    msk_cluster    = "existing"
    msk_subnet_ids = ["subnet-1", "subnet-2"]
  }

  expect_failures = [var.msk_cluster_arn]
}

run "msk_subnet_ids" {
  command = plan

  variables {
    stream = "msk"
  }

  expect_failures = [var.msk_subnet_ids]
}

run "msk_security_group_ids" {
  command = plan

  variables {
    stream         = "msk"
    msk_cluster    = "provisioned"
    msk_subnet_ids = ["subnet-1", "subnet-2", "subnet-3"]
  }

  expect_failures = [var.msk_security_group_ids]
}

run "msk_kafka_version" {
  command = plan

  variables {
    msk_kafka_version = "3.5.1"
  }

  expect_failures = [var.msk_kafka_version]
}

run "msk_broker_type" {
  command = plan

  variables {
    msk_broker_type = "m7g.large"
  }

  expect_failures = [var.msk_broker_type]
}

run "msk_brokers" {
  command = plan

  variables {
    stream                 = "msk"
    msk_cluster            = "provisioned"
    msk_brokers            = 4
    msk_subnet_ids         = ["subnet-1", "subnet-2", "subnet-3"]
    msk_security_group_ids = ["sg-1"]
  }

  expect_failures = [var.msk_brokers]
}

run "msk_broker_volume_gib" {
  command = plan

  variables {
    msk_broker_volume_gib = 0
  }

  expect_failures = [var.msk_broker_volume_gib]
}

run "msk_topic_partitions" {
  command = plan

  variables {
    msk_topic_partitions = 0
  }

  expect_failures = [var.msk_topic_partitions]
}

run "msk_replication_factor" {
  command = plan

  variables {
    msk_replication_factor = 1
  }

  expect_failures = [var.msk_replication_factor]
}

run "msk_retention_hours" {
  command = plan

  variables {
    msk_retention_hours = 0
  }

  expect_failures = [var.msk_retention_hours]
}

run "roles_assumed_by" {
  command = plan

  variables {
    roles_assumed_by = []
  }

  expect_failures = [var.roles_assumed_by]
}

run "irsa" {
  command = plan

  variables {
    irsa = {
      oidc_provider_arn       = "arn:aws:iam::123456789012:oidc-provider/example.com/id/ABC"
      namespace               = "events"
      gateway_service_account = "*"
      sink_service_account    = "sink"
    }
  }

  expect_failures = [var.irsa]
}

run "permissions_boundary_arn" {
  command = plan

  variables {
    permissions_boundary_arn = "boundary"
  }

  expect_failures = [var.permissions_boundary_arn]
}

run "warehouse" {
  command = plan

  variables {
    warehouse = "snowflake"
  }

  expect_failures = [var.warehouse]
}

run "redshift_database" {
  command = plan

  variables {
    redshift_database = "Web"
  }

  expect_failures = [var.redshift_database]
}

run "redshift_schema" {
  command = plan

  variables {
    redshift_schema = "a; DROP"
  }

  expect_failures = [var.redshift_schema]
}

run "redshift_admin_username" {
  command = plan

  variables {
    redshift_admin_username = "Admin"
  }

  expect_failures = [var.redshift_admin_username]
}

run "redshift_login" {
  command = plan

  variables {
    redshift_login = "password"
  }

  expect_failures = [var.redshift_login]
}

run "redshift_base_capacity_rpu" {
  command = plan

  variables {
    redshift_base_capacity_rpu = 12
  }

  expect_failures = [var.redshift_base_capacity_rpu]
}

run "redshift_max_capacity_rpu" {
  command = plan

  variables {
    redshift_base_capacity_rpu = 16
    redshift_max_capacity_rpu  = 8
  }

  expect_failures = [var.redshift_max_capacity_rpu]
}

run "redshift_rpu_hours_per_day_max" {
  command = plan

  variables {
    redshift_rpu_hours_per_day_max = 0
  }

  expect_failures = [var.redshift_rpu_hours_per_day_max]
}

run "redshift_subnet_ids" {
  command = plan

  variables {
    redshift_subnet_ids = ["subnet-1"]
  }

  expect_failures = [var.redshift_subnet_ids]
}

run "redshift_log_exports" {
  command = plan

  variables {
    redshift_log_exports = ["auditlog"]
  }

  expect_failures = [var.redshift_log_exports]
}
