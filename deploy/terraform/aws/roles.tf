# Three roles, each with what its process really calls and nothing else; see policies.tf.

locals {
  services = {
    ecs = {
      principal = "ecs-tasks.amazonaws.com"
      actions   = ["sts:AssumeRole"]
      # Keeps the tasks of other accounts from it.
      condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }
    ec2 = {
      principal = "ec2.amazonaws.com"
      actions   = ["sts:AssumeRole"]
      condition = {}
    }
    eks = {
      principal = "pods.eks.amazonaws.com"
      actions   = ["sts:AssumeRole", "sts:TagSession"]
      condition = {}
    }
  }
  service_trust = [
    for name in sort(var.roles_assumed_by) : {
      Sid       = "Service${upper(name)}"
      Effect    = "Allow"
      Principal = { Service = local.services[name].principal }
      Action    = local.services[name].actions
      Condition = local.services[name].condition
    }
  ]

  service_accounts = var.irsa == null ? {} : {
    gateway = var.irsa.gateway_service_account
    sink    = var.irsa.sink_service_account
  }
  oidc_issuer = var.irsa == null ? "" : split(":oidc-provider/", var.irsa.oidc_provider_arn)[1]
  service_account_trust = {
    for process, account in local.service_accounts : process => {
      Sid       = "ServiceAccount"
      Effect    = "Allow"
      Principal = { Federated = var.irsa.oidc_provider_arn }
      Action    = ["sts:AssumeRoleWithWebIdentity"]
      Condition = {
        StringEquals = {
          "${local.oidc_issuer}:aud" = "sts.amazonaws.com"
          "${local.oidc_issuer}:sub" = "system:serviceaccount:${var.irsa.namespace}:${account}"
        }
      }
    }
  }

  processes = toset(var.stream == "none" ? ["sink"] : ["gateway", "sink"])
}

resource "aws_iam_role" "process" {
  for_each = local.processes

  name                 = "${var.name}-${each.key}"
  description          = "What headgate ${each.key} calls"
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for statement in local.service_trust : { for key, value in statement : key => value if key != "Condition" || length(value) > 0 }],
      [for process, statement in local.service_account_trust : statement if process == each.key],
    )
  })
}

resource "aws_iam_role_policy" "process" {
  for_each = local.processes

  name   = "headgate-${each.key}"
  role   = aws_iam_role.process[each.key].id
  policy = local.policies[each.key]
}

resource "aws_iam_instance_profile" "process" {
  for_each = contains(var.roles_assumed_by, "ec2") ? local.processes : toset([])

  name = aws_iam_role.process[each.key].name
  role = aws_iam_role.process[each.key].name
  tags = var.tags
}

# The role that Redshift takes to read files and manifests.
resource "aws_iam_role" "copy" {
  count = local.redshift ? 1 : 0

  name                 = "${var.name}-copy"
  description          = "What Redshift reads with COPY"
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Redshift"
      Effect    = "Allow"
      Principal = { Service = ["redshift-serverless.amazonaws.com", "redshift.amazonaws.com"] }
      Action    = ["sts:AssumeRole"]
    }]
  })
}

resource "aws_iam_role_policy" "copy" {
  count = local.redshift ? 1 : 0

  name   = "headgate-copy"
  role   = aws_iam_role.copy[0].id
  policy = local.policies["copy"]
}
