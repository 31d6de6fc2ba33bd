variable "roles_assumed_by" {
  description = "Where gateways and sinks run, and so who may take their roles: any of `ecs` (tasks), `ec2` (with instance profiles) and `eks` (Pod Identity). With `irsa` it may be empty."
  type        = set(string)
  default     = ["ecs"]

  validation {
    condition     = length(setsubtract(var.roles_assumed_by, ["ecs", "ec2", "eks"])) == 0
    error_message = "roles_assumed_by may hold ecs, ec2 and eks."
  }

  validation {
    condition     = length(var.roles_assumed_by) > 0 || var.irsa != null
    error_message = "roles_assumed_by must hold something, or irsa be set: nobody could take the roles."
  }
}

variable "irsa" {
  description = "Service accounts of Kubernetes that may take the roles by EKS' OIDC provider (IRSA). Null: none."
  type = object({
    oidc_provider_arn       = string
    namespace               = string
    gateway_service_account = string
    sink_service_account    = string
  })
  default = null

  validation {
    condition     = var.irsa == null ? true : can(regex("^arn:[a-z-]+:iam::\\d{12}:oidc-provider/.+", var.irsa.oidc_provider_arn))
    error_message = "irsa.oidc_provider_arn must be arn:aws:iam::<account>:oidc-provider/<issuer>."
  }

  validation {
    condition     = var.irsa == null ? true : alltrue([for part in [var.irsa.namespace, var.irsa.gateway_service_account, var.irsa.sink_service_account] : can(regex("^[a-z0-9.-]+$", part))])
    error_message = "irsa must name one namespace and one service account each, without a pattern."
  }
}

variable "permissions_boundary_arn" {
  description = "The permissions boundary of the roles that are made. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::(\\d{12}|aws):policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy."
  }
}
