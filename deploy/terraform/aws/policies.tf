# What each role may do. A statement without a resource is about something that is not made here, and is left out.

locals {
  policies = {
    for role, statements in { gateway = local.gateway_statements, sink = local.sink_statements, copy = local.copy_statements } :
    role => jsonencode({
      Version = "2012-10-17"
      Statement = [
        for statement in statements : {
          for key, value in merge({ Effect = "Allow" }, statement) : key => value if key != "Condition" || length(value) > 0
        } if length(statement.Resource) > 0
      ]
    })
  }

  # Without `ListBucket` S3 answers 403 for an object that is not there, and Headgate has to tell that from one that it may
  # not read. Such a question has no prefix, so the condition must let it pass.
  list_condition = local.key_prefix == "" ? {} : {
    StringLikeIfExists = { "s3:prefix" = ["${local.key_prefix}*"] }
  }
  object_arns = ["${local.bucket_arn}/${local.key_prefix}*"]

  gateway_statements = [
    {
      Sid      = "WriteStreams"
      Action   = ["kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:PutRecords"]
      Resource = local.kinesis_stream_arns
    },
    {
      Sid       = "EncryptRecords"
      Action    = ["kms:GenerateDataKey"]
      Resource  = [for key in local.kms_keys : key if local.kinesis]
      Condition = { StringEquals = { "kms:ViaService" = ["kinesis.${local.region}.amazonaws.com"] } }
    },
    {
      Sid      = "ConnectToCluster"
      Action   = ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"]
      Resource = local.msk_cluster_arns
    },
    {
      # Records without an acknowledgement are looked for before they are sent again.
      Sid      = "WriteTopics"
      Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData", "kafka-cluster:WriteData"]
      Resource = local.msk_topic_arns
    },
    {
      Sid      = "UseGroups"
      Action   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
      Resource = local.msk_group_arns
    },
  ]

  sink_statements = [
    {
      Sid      = "ReadStreams"
      Action   = ["kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
      Resource = local.kinesis_stream_arns
    },
    {
      Sid      = "RegisterConsumers"
      Action   = ["kinesis:RegisterStreamConsumer"]
      Resource = [for arn in local.kinesis_stream_arns : arn if var.kinesis_fan_out_consumer != null]
    },
    {
      Sid      = "ReadAsConsumers"
      Action   = ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"]
      Resource = local.kinesis_consumer_arns
    },
    {
      Sid      = "ConnectToCluster"
      Action   = ["kafka-cluster:Connect"]
      Resource = local.msk_cluster_arns
    },
    {
      Sid      = "ReadTopics"
      Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
      Resource = local.msk_topic_arns
    },
    {
      Sid      = "UseGroups"
      Action   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
      Resource = local.msk_group_arns
    },
    {
      Sid      = "WriteObjects"
      Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      Resource = local.object_arns
    },
    {
      Sid       = "ListObjects"
      Action    = ["s3:ListBucket"]
      Resource  = [local.bucket_arn]
      Condition = local.list_condition
    },
    {
      # It takes no condition on the prefix.
      Sid      = "ListUploads"
      Action   = ["s3:ListBucketMultipartUploads"]
      Resource = [local.bucket_arn]
    },
    {
      # Parts that are put together are decrypted too.
      Sid      = "EncryptObjects"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = local.kms_keys
      Condition = {
        StringEquals = { "kms:ViaService" = ["s3.${local.region}.amazonaws.com"] }
      }
    },
    {
      Sid       = "DecryptRecords"
      Action    = ["kms:Decrypt"]
      Resource  = [for key in local.kms_keys : key if local.kinesis]
      Condition = { StringEquals = { "kms:ViaService" = ["kinesis.${local.region}.amazonaws.com"] } }
    },
    {
      Sid      = "SendStatements"
      Action   = ["redshift-data:BatchExecuteStatement", "redshift-data:ExecuteStatement"]
      Resource = aws_redshiftserverless_workgroup.this[*].arn
    },
    {
      # These three know no resource, only whose statement it is.
      # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonredshiftdataapi.html
      Sid       = "FollowOwnStatements"
      Action    = ["redshift-data:CancelStatement", "redshift-data:DescribeStatement", "redshift-data:GetStatementResult"]
      Resource  = local.redshift ? ["*"] : []
      Condition = { StringEquals = { "redshift-data:statement-owner-iam-userid" = ["$${aws:userid}"] } }
    },
    {
      Sid      = "BecomeDatabaseUser"
      Action   = ["redshift-serverless:GetCredentials"]
      Resource = [for arn in aws_redshiftserverless_workgroup.this[*].arn : arn if var.redshift_login == "iam"]
    },
    {
      Sid      = "BecomeDatabaseAdmin"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = local.admin_secret_arns
    },
    {
      Sid       = "DecryptAdminSecret"
      Action    = ["kms:Decrypt"]
      Resource  = [for key in local.kms_keys : key if length(local.admin_secret_arns) > 0]
      Condition = { StringEquals = { "kms:ViaService" = ["secretsmanager.${local.region}.amazonaws.com"] } }
    },
    {
      Sid = "FillCatalogue"
      Action = [
        "glue:BatchCreatePartition",
        "glue:BatchUpdatePartition",
        "glue:CreateTable",
        "glue:GetDatabase",
        "glue:GetPartitions",
        "glue:GetTable",
        "glue:UpdateTable",
      ]
      Resource = flatten([
        for database in aws_glue_catalog_database.lake[*].name : [
          "arn:${local.partition}:glue:${local.region}:${local.account}:catalog",
          "arn:${local.partition}:glue:${local.region}:${local.account}:database/${database}",
          "arn:${local.partition}:glue:${local.region}:${local.account}:table/${database}/*",
        ]
      ])
    },
  ]

  admin_secret_arns = [
    for arn in aws_redshiftserverless_namespace.this[*].admin_password_secret_arn : arn if var.redshift_login == "admin_secret"
  ]

  # Loads tell files that are gone from a role that may not read, too: hence `ListBucket`.
  copy_statements = [
    {
      Sid      = "ReadObjects"
      Action   = ["s3:GetObject"]
      Resource = local.object_arns
    },
    {
      Sid       = "ListObjects"
      Action    = ["s3:ListBucket"]
      Resource  = [local.bucket_arn]
      Condition = local.list_condition
    },
    {
      Sid       = "DecryptObjects"
      Action    = ["kms:Decrypt"]
      Resource  = local.kms_keys
      Condition = { StringEquals = { "kms:ViaService" = ["s3.${local.region}.amazonaws.com"] } }
    },
  ]
}
