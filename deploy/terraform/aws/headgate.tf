# What Headgate has to be told.

locals {
  # The user of a role is called so: https://docs.aws.amazon.com/bedrock/latest/userguide/knowledge-base-prereq-structured.html
  database_user = "IAMR:${aws_iam_role.process["sink"].name}"
  setup_sql     = <<-END
    CREATE USER "${local.database_user}" PASSWORD DISABLE;
    GRANT USAGE, CREATE ON SCHEMA ${var.redshift_schema} TO "${local.database_user}";
  END

  # A JSON string is a TOML string: with the same escapes, in double quotes.
  stream_toml = var.stream == "none" ? "" : <<-END
    [stream]
    kind = "${var.stream == "msk" ? "kafka" : var.stream}"
    topic = ${jsonencode(local.events_topic)}
    bad_events_topic = ${jsonencode(local.bad_events_topic)}
  END

  kinesis_toml = !local.kinesis ? "" : <<-END
    [kinesis]
    region = ${jsonencode(local.region)}
    ${var.kinesis_record_kib_max == 1024 ? "" : "record_bytes_max = ${var.kinesis_record_kib_max * 1024}"}

    [kinesis.streams]
    create_missing = false
    ${local.fan_out_toml}
  END
  fan_out_toml = join("", [for name in compact([var.kinesis_fan_out_consumer]) : "\n[kinesis.read]\nfan_out = ${jsonencode(name)}\n"])

  kafka_toml = !local.msk ? "" : <<-END
    [kafka]
    bootstrap_servers = ${jsonencode(split(",", one(data.aws_msk_bootstrap_brokers.this[*].bootstrap_brokers_sasl_iam)))}

    [kafka.msk_iam]
    region = ${jsonencode(local.region)}
  END

  store_toml = <<-END
    [store]
    kind = "s3"

    [s3]
    bucket = ${jsonencode(aws_s3_bucket.lake.bucket)}
    prefix = ${jsonencode(var.bucket_prefix)}
    region = ${jsonencode(local.region)}
  END

  secret_toml    = join("", [for arn in local.admin_secret_arns : "secret_arn = ${jsonencode(arn)}\n"])
  warehouse_toml = !local.redshift ? "" : <<-END
    [warehouse]
    kind = "redshift"
    schema = ${jsonencode(var.redshift_schema)}
    iam_role = ${jsonencode(one(aws_iam_role.copy[*].arn))}

    [warehouse.data_api]
    workgroup = ${jsonencode(one(aws_redshiftserverless_workgroup.this[*].workgroup_name))}
    database = ${jsonencode(var.redshift_database)}
    region = ${jsonencode(local.region)}
    ${local.secret_toml}
  END

  glue_toml = var.glue_database == null ? "" : <<-END
    [glue]
    database = ${jsonencode(one(aws_glue_catalog_database.lake[*].name))}
    region = ${jsonencode(local.region)}
  END

  # What was left out has left empty lines.
  headgate_toml = replace(join("\n", compact([
    local.stream_toml,
    local.kinesis_toml,
    local.kafka_toml,
    local.store_toml,
    local.warehouse_toml,
    local.glue_toml,
  ])), "/\n{3,}/", "\n\n")
}
