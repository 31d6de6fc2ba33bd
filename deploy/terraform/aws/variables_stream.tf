variable "kinesis_mode" {
  description = "How the Kinesis stream of events is scaled: `on_demand` (by itself) or `provisioned` (`kinesis_shards`)."
  type        = string
  default     = "on_demand"

  validation {
    condition     = contains(["on_demand", "provisioned"], var.kinesis_mode)
    error_message = "kinesis_mode must be on_demand or provisioned."
  }
}

variable "kinesis_shards" {
  description = "Shards of the stream of events where `kinesis_mode` is `provisioned`: each takes 1 MB and 1,000 records a second."
  type        = number
  default     = 2

  validation {
    condition     = var.kinesis_shards >= 1 && floor(var.kinesis_shards) == var.kinesis_shards
    error_message = "kinesis_shards must be a whole number, at least 1."
  }
}

variable "kinesis_bad_events_shards" {
  description = "Shards of the stream of rejected events, in the same mode."
  type        = number
  default     = 1

  validation {
    condition     = var.kinesis_bad_events_shards >= 1 && floor(var.kinesis_bad_events_shards) == var.kinesis_bad_events_shards
    error_message = "kinesis_bad_events_shards must be a whole number, at least 1."
  }
}

variable "kinesis_retention_hours" {
  description = "How long Kinesis keeps records, in hours, 24 to 8,760: what sinks have not landed by then is lost. More than 24 costs more."
  type        = number
  default     = 72

  validation {
    condition     = var.kinesis_retention_hours >= 24 && var.kinesis_retention_hours <= 8760
    error_message = "kinesis_retention_hours must be 24 to 8760."
  }
}

variable "kinesis_record_kib_max" {
  description = "The largest record that the streams take, in KiB, 1,024 to 10,240."
  type        = number
  default     = 1024

  validation {
    condition     = var.kinesis_record_kib_max >= 1024 && var.kinesis_record_kib_max <= 10240
    error_message = "kinesis_record_kib_max must be 1024 to 10240."
  }
}

variable "kinesis_fan_out_consumer" {
  description = "The consumer with a throughput of its own (enhanced fan-out) that sinks read through and may register, by its name; it is paid for by shard and hour. Null: they read as everybody does."
  type        = string
  default     = null

  validation {
    condition     = var.kinesis_fan_out_consumer == null || can(regex("^[A-Za-z0-9_.-]{1,128}$", var.kinesis_fan_out_consumer))
    error_message = "kinesis_fan_out_consumer must be 1 to 128 letters, digits, underscores, dots and hyphens."
  }
}

variable "msk_cluster" {
  description = "Which MSK cluster: `serverless` or `provisioned` (both are made), or `existing` (`msk_cluster_arn`)."
  type        = string
  default     = "serverless"

  validation {
    condition     = contains(["serverless", "provisioned", "existing"], var.msk_cluster)
    error_message = "msk_cluster must be serverless, provisioned or existing."
  }
}

variable "msk_cluster_arn" {
  description = "The cluster where `msk_cluster` is `existing`. It must let clients in by IAM."
  type        = string
  default     = null

  validation {
    condition     = var.stream != "msk" || (var.msk_cluster == "existing") == (var.msk_cluster_arn != null)
    error_message = "msk_cluster_arn must be set where msk_cluster is existing, and only there."
  }

  validation {
    condition     = var.msk_cluster_arn == null || can(regex("^arn:[a-z-]+:kafka:[a-z0-9-]+:\\d{12}:cluster/[^/]+/[^/]+$", var.msk_cluster_arn))
    error_message = "msk_cluster_arn must be arn:aws:kafka:<region>:<account>:cluster/<name>/<uuid>."
  }
}

variable "msk_subnet_ids" {
  description = "The subnets of a cluster that is made, one in each availability zone."
  type        = list(string)
  default     = []

  validation {
    condition     = var.stream != "msk" || var.msk_cluster == "existing" || length(var.msk_subnet_ids) >= 2
    error_message = "msk_subnet_ids must name at least two subnets, in different availability zones, for a cluster that is made."
  }
}

variable "msk_security_group_ids" {
  description = "The security groups of a cluster that is made: they must let gateways and sinks in on port 9098. Empty: the VPC's default one, with MSK Serverless only."
  type        = list(string)
  default     = []

  validation {
    condition     = var.stream != "msk" || var.msk_cluster != "provisioned" || length(var.msk_security_group_ids) > 0
    error_message = "msk_security_group_ids must name at least one security group for a provisioned cluster."
  }
}

variable "msk_kafka_version" {
  description = "Kafka's version on a provisioned cluster, 3.6 or later (topics are made by an API that asks for it)."
  type        = string
  default     = "3.9.x"

  validation {
    condition     = can(regex("^(3\\.([6-9]|\\d\\d)|[4-9])\\.", var.msk_kafka_version))
    error_message = "msk_kafka_version must be 3.6 or later."
  }
}

variable "msk_broker_type" {
  description = "The instance type of a provisioned cluster's brokers."
  type        = string
  default     = "kafka.m7g.large"

  validation {
    condition     = startswith(var.msk_broker_type, "kafka.")
    error_message = "msk_broker_type must begin with `kafka.`."
  }
}

variable "msk_brokers" {
  description = "Brokers of a provisioned cluster: a multiple of the number of subnets."
  type        = number
  default     = 3

  validation {
    condition     = var.msk_cluster != "provisioned" || (var.msk_brokers >= var.msk_replication_factor && var.msk_brokers % max(1, length(var.msk_subnet_ids)) == 0)
    error_message = "msk_brokers must be a multiple of the number of msk_subnet_ids, and not less than msk_replication_factor."
  }
}

variable "msk_broker_volume_gib" {
  description = "The disk of each broker of a provisioned cluster, in GiB."
  type        = number
  default     = 500

  validation {
    condition     = var.msk_broker_volume_gib >= 1 && var.msk_broker_volume_gib <= 16384
    error_message = "msk_broker_volume_gib must be 1 to 16384."
  }
}

variable "msk_create_topics" {
  description = "Whether topics are made, on a provisioned or an existing cluster. MSK Serverless, and Kafka before 3.6, have no such API: set it to false for an existing cluster of that kind, and make the topics by Kafka's own tools."
  type        = bool
  default     = true
}

variable "msk_topic_partitions" {
  description = "Partitions of the topics that are made."
  type        = number
  default     = 12

  validation {
    condition     = var.msk_topic_partitions >= 1
    error_message = "msk_topic_partitions must be at least 1."
  }
}

variable "msk_replication_factor" {
  description = "Replicas of the topics that are made; all but one must have a record before it counts as written."
  type        = number
  default     = 3

  validation {
    condition     = var.msk_replication_factor >= 2
    error_message = "msk_replication_factor must be at least 2: with one replica an accepted event can be lost."
  }
}

variable "msk_retention_hours" {
  description = "How long the topics that are made keep records, in hours: what sinks have not landed by then is lost."
  type        = number
  default     = 72

  validation {
    condition     = var.msk_retention_hours >= 1
    error_message = "msk_retention_hours must be at least 1."
  }
}
