locals {
  msk_serverless  = local.msk && var.msk_cluster == "serverless"
  msk_provisioned = local.msk && var.msk_cluster == "provisioned"

  # One cluster or none, as a list.
  msk_cluster_arns = concat(
    aws_msk_serverless_cluster.this[*].arn,
    aws_msk_cluster.this[*].arn,
    local.msk && var.msk_cluster == "existing" ? [var.msk_cluster_arn] : [],
  )
  # A template's fields (`events.{type}`) may be any text.
  msk_topic_arns = [
    for pair in setproduct(local.msk_cluster_arns, [local.events_topic, local.bad_events_topic]) :
    "${replace(pair[0], ":cluster/", ":topic/")}/${replace(pair[1], "/\\{[a-z]+\\}/", "*")}"
  ]
  msk_group_arns = [for arn in local.msk_cluster_arns : "${replace(arn, ":cluster/", ":group/")}/headgate-*"]

  # Topics of a template come with the events, and serverless clusters have no API for topics.
  msk_topics = toset([
    for topic in [local.events_topic, local.bad_events_topic] : topic
    if local.msk && var.msk_create_topics && !local.msk_serverless && !strcontains(topic, "{")
  ])
}

resource "aws_msk_serverless_cluster" "this" {
  count = local.msk_serverless ? 1 : 0

  cluster_name = var.name
  tags         = var.tags

  vpc_config {
    subnet_ids         = var.msk_subnet_ids
    security_group_ids = length(var.msk_security_group_ids) > 0 ? var.msk_security_group_ids : null
  }

  client_authentication {
    sasl {
      iam {
        enabled = true
      }
    }
  }
}

# What Headgate's promise rests on where topics are made by others as well: a record counts once all replicas but one have
# it, and a replica that lacks records never leads.
resource "aws_msk_configuration" "this" {
  count = local.msk_provisioned ? 1 : 0

  name              = var.name
  kafka_versions    = [var.msk_kafka_version]
  server_properties = <<-END
    auto.create.topics.enable=false
    default.replication.factor=${var.msk_replication_factor}
    min.insync.replicas=${var.msk_replication_factor - 1}
    unclean.leader.election.enable=false
  END

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_msk_cluster" "this" {
  count = local.msk_provisioned ? 1 : 0

  cluster_name           = var.name
  kafka_version          = var.msk_kafka_version
  number_of_broker_nodes = var.msk_brokers
  tags                   = var.tags

  broker_node_group_info {
    instance_type   = var.msk_broker_type
    client_subnets  = var.msk_subnet_ids
    security_groups = var.msk_security_group_ids

    storage_info {
      ebs_storage_info {
        volume_size = var.msk_broker_volume_gib
      }
    }
  }

  client_authentication {
    unauthenticated = false

    sasl {
      iam = true
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = var.kms_key_arn

    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this[0].arn
    revision = aws_msk_configuration.this[0].latest_revision
  }
}

data "aws_msk_bootstrap_brokers" "this" {
  count = local.msk ? 1 : 0

  cluster_arn = one(local.msk_cluster_arns)
}

resource "aws_msk_topic" "this" {
  for_each = local.msk_topics

  name               = each.key
  cluster_arn        = one(local.msk_cluster_arns)
  partition_count    = var.msk_topic_partitions
  replication_factor = var.msk_replication_factor

  configs = jsonencode({
    "min.insync.replicas" = tostring(var.msk_replication_factor - 1)
    "retention.ms"        = tostring(var.msk_retention_hours * 3600000)
  })
}
