# What AWS would answer, where the module's tests or AWS' rules for ARNs look at it.

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "123456789012"
  }
}

mock_data "aws_partition" {
  defaults = {
    partition = "aws"
  }
}

mock_data "aws_region" {
  defaults = {
    region = "eu-central-1"
  }
}

mock_data "aws_msk_bootstrap_brokers" {
  defaults = {
    bootstrap_brokers_sasl_iam = "b-1.kafka.example.com:9098,b-2.kafka.example.com:9098"
  }
}

mock_resource "aws_kinesis_stream" {
  defaults = {
    arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/mocked"
  }
}

mock_resource "aws_msk_serverless_cluster" {
  defaults = {
    arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/headgate/0e1f5b1d-7a3c-4a54-9b38-0ad8a0e8d2aa-s1"
  }
}

mock_resource "aws_msk_cluster" {
  defaults = {
    arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/headgate/0e1f5b1d-7a3c-4a54-9b38-0ad8a0e8d2aa-7"
  }
}

mock_resource "aws_msk_configuration" {
  defaults = {
    arn = "arn:aws:kafka:eu-central-1:123456789012:configuration/headgate/0e1f5b1d-7a3c-4a54-9b38-0ad8a0e8d2aa-7"
  }
}

mock_resource "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::123456789012:role/mocked"
  }
}

mock_resource "aws_redshiftserverless_namespace" {
  defaults = {
    admin_password_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redshift!headgate-headgate_admin-AbCdEf"
  }
}

mock_resource "aws_redshiftserverless_workgroup" {
  defaults = {
    arn = "arn:aws:redshift-serverless:eu-central-1:123456789012:workgroup/0e1f5b1d-7a3c-4a54-9b38-0ad8a0e8d2aa"
    endpoint = [{
      address      = "headgate.123456789012.eu-central-1.redshift-serverless.amazonaws.com"
      port         = 5439
      vpc_endpoint = []
    }]
  }
}
