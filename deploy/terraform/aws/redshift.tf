resource "aws_redshiftserverless_namespace" "this" {
  count = local.redshift ? 1 : 0

  namespace_name                   = var.name
  db_name                          = var.redshift_database
  admin_username                   = var.redshift_admin_username
  manage_admin_password            = true
  admin_password_secret_kms_key_id = var.kms_key_arn
  kms_key_id                       = var.kms_key_arn
  iam_roles                        = aws_iam_role.copy[*].arn
  default_iam_role_arn             = one(aws_iam_role.copy[*].arn)
  log_exports                      = var.redshift_log_exports
  tags                             = var.tags
}

resource "aws_redshiftserverless_workgroup" "this" {
  count = local.redshift ? 1 : 0

  workgroup_name       = var.name
  namespace_name       = aws_redshiftserverless_namespace.this[0].namespace_name
  base_capacity        = var.redshift_base_capacity_rpu
  max_capacity         = var.redshift_max_capacity_rpu
  subnet_ids           = length(var.redshift_subnet_ids) > 0 ? var.redshift_subnet_ids : null
  security_group_ids   = length(var.redshift_security_group_ids) > 0 ? var.redshift_security_group_ids : null
  enhanced_vpc_routing = var.redshift_enhanced_vpc_routing
  publicly_accessible  = false
  tags                 = var.tags
}

resource "aws_redshiftserverless_usage_limit" "this" {
  count = local.redshift && var.redshift_rpu_hours_per_day_max != null ? 1 : 0

  resource_arn  = aws_redshiftserverless_workgroup.this[0].arn
  usage_type    = "serverless-compute"
  period        = "daily"
  amount        = var.redshift_rpu_hours_per_day_max
  breach_action = "deactivate"
}
