mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  stream         = "msk"
  msk_subnet_ids = ["subnet-1", "subnet-2", "subnet-3"]
}

run "serverless" {
  assert {
    condition     = length(aws_msk_serverless_cluster.this) == 1 && length(aws_msk_cluster.this) == 0 && length(aws_kinesis_stream.this) == 0
    error_message = "there is one stream, and it is the serverless cluster"
  }

  assert {
    condition     = length(aws_msk_topic.this) == 0
    error_message = "MSK Serverless has no API for topics"
  }
}

run "provisioned" {
  variables {
    msk_cluster            = "provisioned"
    msk_security_group_ids = ["sg-1"]
  }

  assert {
    condition     = sort(keys(aws_msk_topic.this)) == tolist(["bad_events", "events"])
    error_message = "topics are made"
  }

  assert {
    condition     = jsondecode(aws_msk_topic.this["events"].configs) == { "min.insync.replicas" = "2", "retention.ms" = "259200000" }
    error_message = "a record counts once two of three replicas have it, and is kept for three days"
  }

  assert {
    condition     = aws_msk_cluster.this[0].client_authentication[0].sasl[0].iam && !aws_msk_cluster.this[0].client_authentication[0].unauthenticated
    error_message = "clients come by IAM alone"
  }

  assert {
    condition     = aws_msk_cluster.this[0].encryption_info[0].encryption_in_transit[0].client_broker == "TLS"
    error_message = "clients come by TLS alone"
  }

  assert {
    condition     = strcontains(aws_msk_configuration.this[0].server_properties, "min.insync.replicas=2\n")
    error_message = "topics that others make are as durable"
  }
}

run "existing_with_a_template" {
  variables {
    msk_cluster     = "existing"
    msk_cluster_arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/shared/11111111-2222-3333-4444-555555555555-7"
    events_topic    = "events.{type}"
  }

  assert {
    condition     = toset(keys(aws_msk_topic.this)) == toset(["bad_events"])
    error_message = "a template's topics are made elsewhere"
  }

  assert {
    condition = toset(local.msk_topic_arns) == toset([
      "arn:aws:kafka:eu-central-1:123456789012:topic/shared/11111111-2222-3333-4444-555555555555-7/events.*",
      "arn:aws:kafka:eu-central-1:123456789012:topic/shared/11111111-2222-3333-4444-555555555555-7/bad_events",
    ])
    error_message = "permissions end at the topics"
  }
}
