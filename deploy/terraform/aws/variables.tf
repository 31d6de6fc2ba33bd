variable "name" {
  description = "What the names of all that is made begin with: lower-case letters, digits and hyphens, 3 to 32 characters."
  type        = string
  default     = "headgate"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 32 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen."
  }
}

variable "tags" {
  description = "Tags of everything that can have some, besides those of the provider's `default_tags`."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "The KMS key that encrypts bucket, streams, provisioned brokers, warehouse and its admin password; its policy has to leave permissions to IAM. Null: keys that AWS holds (SSE-S3 in the bucket)."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:\\d{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:aws:kms:<region>:<account>:key/<id>), not of an alias."
  }
}

variable "stream" {
  description = "What lies between gateways and sinks: `kinesis`, `msk`, or `none` (elsewhere, or the journal of `headgate up`)."
  type        = string
  default     = "kinesis"

  validation {
    condition     = contains(["kinesis", "msk", "none"], var.stream)
    error_message = "stream must be kinesis, msk or none."
  }
}

variable "events_topic" {
  description = "The Kinesis stream or MSK topic of valid events. Null: `<name>-events` with Kinesis, `events` with MSK. With MSK also a template, as `events.{type}`, whose topics have to be made elsewhere."
  type        = string
  default     = null

  validation {
    condition     = var.events_topic == null || can(regex(var.stream == "msk" ? "^[A-Za-z0-9._{}-]{1,200}$" : "^[A-Za-z0-9._-]{1,128}$", var.events_topic))
    error_message = "events_topic must be 1 to 128 letters, digits, dots, underscores and hyphens; {type} and {source} are for MSK alone."
  }
}

variable "bad_events_topic" {
  description = "The Kinesis stream or MSK topic of rejected events. Null: `<name>-bad-events` with Kinesis, `bad_events` with MSK."
  type        = string
  default     = null

  validation {
    condition     = var.bad_events_topic == null || can(regex("^[A-Za-z0-9._-]{1,128}$", var.bad_events_topic))
    error_message = "bad_events_topic must be 1 to 128 letters, digits, dots, underscores and hyphens."
  }

  validation {
    condition     = var.bad_events_topic == null || var.bad_events_topic != var.events_topic
    error_message = "bad_events_topic must differ from events_topic."
  }
}

variable "bucket_name" {
  description = "The bucket of the tables and their commit log. Null: `<name>-<account>-<region>`."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name == null || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name must be 3 to 63 lower-case letters, digits and hyphens (dots do not go with TLS)."
  }
}

variable "bucket_prefix" {
  description = "What every object's key begins with, as a folder (`lake` keeps all under `lake/`). Everything below it belongs to Headgate. Empty: the whole bucket."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*)?$", var.bucket_prefix))
    error_message = "bucket_prefix must be folders without a slash at its beginning or end."
  }
}

variable "bucket_force_destroy" {
  description = "Whether `terraform destroy` removes a bucket with all that has landed in it."
  type        = bool
  default     = false
}

variable "uploads_abort_after_days" {
  description = "Days after which an upload in parts that was never finished is removed. An upload takes seconds, and sinks abort what they leave; this is the second net."
  type        = number
  default     = 2

  validation {
    condition     = var.uploads_abort_after_days >= 1 && floor(var.uploads_abort_after_days) == var.uploads_abort_after_days
    error_message = "uploads_abort_after_days must be a whole number of days, at least 1."
  }
}

variable "manifests_expire_after_days" {
  description = "Days after which the manifests of loads into the warehouse (`_loads/`) are removed: nothing reads one again once its load has ended, and a load that is tried again writes it again."
  type        = number
  default     = 30

  validation {
    condition     = var.manifests_expire_after_days >= 7 && floor(var.manifests_expire_after_days) == var.manifests_expire_after_days
    error_message = "manifests_expire_after_days must be a whole number of days, at least 7."
  }
}

variable "transition_after_days" {
  description = "Days after which large files go to `transition_storage_class`. Null: never."
  type        = number
  default     = null

  validation {
    # S3 takes nothing before 30 days into STANDARD_IA.
    condition     = var.transition_after_days == null ? true : var.transition_after_days >= (var.transition_storage_class == "STANDARD_IA" ? 30 : 1)
    error_message = "transition_after_days must be at least 1, and at least 30 for STANDARD_IA."
  }
}

variable "transition_storage_class" {
  description = "Where large files go after `transition_after_days`: a class that gives them back at once, since compaction, reloads and queries read them (`INTELLIGENT_TIERING`, `STANDARD_IA` or `GLACIER_IR`)."
  type        = string
  default     = "INTELLIGENT_TIERING"

  validation {
    condition     = contains(["INTELLIGENT_TIERING", "STANDARD_IA", "GLACIER_IR"], var.transition_storage_class)
    error_message = "transition_storage_class must be INTELLIGENT_TIERING, STANDARD_IA or GLACIER_IR: the others cannot be read at once, or are in one zone alone."
  }
}

variable "transition_object_bytes_min" {
  description = "Smaller objects stay in the standard class: small files, which compaction replaces, and the commit log, which is read all the time."
  type        = number
  default     = 1048576

  validation {
    condition     = var.transition_object_bytes_min >= 131072
    error_message = "transition_object_bytes_min must be at least 131072: smaller objects cost more in other classes."
  }
}

variable "glue_database" {
  description = "A database in the Glue catalogue for `headgate tables glue`, which the sink's role may then fill: lower-case letters, digits and underscores. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.glue_database == null || can(regex("^[a-z0-9_]{1,255}$", var.glue_database))
    error_message = "glue_database must be 1 to 255 lower-case letters, digits and underscores."
  }
}
