variable "warehouse" {
  description = "The warehouse that sinks keep equal to what has landed: `redshift_serverless` (a namespace, a workgroup and the role that COPY reads the bucket with are made) or `none`."
  type        = string
  default     = "redshift_serverless"

  validation {
    condition     = contains(["redshift_serverless", "none"], var.warehouse)
    error_message = "warehouse must be redshift_serverless or none."
  }
}

variable "redshift_database" {
  description = "The database that is made in the namespace."
  type        = string
  default     = "headgate"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,63}$", var.redshift_database))
    error_message = "redshift_database must be 1 to 64 lower-case letters, digits and underscores, beginning with a letter."
  }
}

variable "redshift_schema" {
  description = "The schema of Headgate's tables. It has to be there: any but `public` has to be made in the database."
  type        = string
  default     = "public"

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]{0,126}$", var.redshift_schema))
    error_message = "redshift_schema must be 1 to 127 lower-case letters, digits and underscores."
  }
}

variable "redshift_admin_username" {
  description = "The namespace's admin. The password is made, kept and rotated by Secrets Manager and is never in Terraform's state."
  type        = string
  default     = "headgate_admin"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,126}$", var.redshift_admin_username))
    error_message = "redshift_admin_username must be 1 to 127 lower-case letters, digits and underscores, beginning with a letter."
  }
}

variable "redshift_login" {
  description = "As whom sinks speak to the database: `iam` (a user of the role's own, which has what `redshift_setup_sql` grants) or `admin_secret` (the admin, for trying out)."
  type        = string
  default     = "iam"

  validation {
    condition     = contains(["iam", "admin_secret"], var.redshift_login)
    error_message = "redshift_login must be iam or admin_secret."
  }
}

variable "redshift_base_capacity_rpu" {
  description = "What the workgroup has for each query, in RPUs: 4, or a multiple of 8 up to 1,024."
  type        = number
  default     = 8

  validation {
    condition     = var.redshift_base_capacity_rpu == 4 || (var.redshift_base_capacity_rpu % 8 == 0 && var.redshift_base_capacity_rpu >= 8 && var.redshift_base_capacity_rpu <= 1024)
    error_message = "redshift_base_capacity_rpu must be 4, or a multiple of 8 from 8 to 1024."
  }
}

variable "redshift_max_capacity_rpu" {
  description = "What the workgroup may grow to, in RPUs. Null: as far as AWS lets it."
  type        = number
  default     = null

  validation {
    condition     = var.redshift_max_capacity_rpu == null ? true : var.redshift_max_capacity_rpu >= var.redshift_base_capacity_rpu
    error_message = "redshift_max_capacity_rpu must not be less than redshift_base_capacity_rpu."
  }
}

variable "redshift_rpu_hours_per_day_max" {
  description = "RPU-hours a day after which the workgroup takes no more queries until the next one: loads wait meanwhile, nothing is lost. Null: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.redshift_rpu_hours_per_day_max == null ? true : var.redshift_rpu_hours_per_day_max >= 1
    error_message = "redshift_rpu_hours_per_day_max must be at least 1."
  }
}

variable "redshift_subnet_ids" {
  description = "The workgroup's subnets, in three availability zones or more. Empty: those of the default VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.redshift_subnet_ids) == 0 || length(var.redshift_subnet_ids) >= 3
    error_message = "redshift_subnet_ids must be empty, or name three subnets or more, in different availability zones."
  }
}

variable "redshift_security_group_ids" {
  description = "The workgroup's security groups. Sinks that use the Data API need no way in. Empty: the default one of the VPC."
  type        = list(string)
  default     = []
}

variable "redshift_enhanced_vpc_routing" {
  description = "Whether COPY reaches the bucket through the VPC only, which then needs an endpoint for S3."
  type        = bool
  default     = false
}

variable "redshift_log_exports" {
  description = "Which logs of the warehouse go to CloudWatch, and are paid for there: `connectionlog`, `userlog`, `useractivitylog` (every statement)."
  type        = set(string)
  default     = ["connectionlog", "userlog"]

  validation {
    condition     = length(setsubtract(var.redshift_log_exports, ["connectionlog", "userlog", "useractivitylog"])) == 0
    error_message = "redshift_log_exports may hold connectionlog, userlog and useractivitylog."
  }
}
