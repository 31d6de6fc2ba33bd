# The tables and their commit log. Versioning stays off: Headgate never writes an object twice, and removes only what no
# commit names or what compaction has replaced, a day later. Versions would keep all of that, and be paid for.
resource "aws_s3_bucket" "lake" {
  bucket        = local.bucket_name
  force_destroy = var.bucket_force_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_ownership_controls" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "lake" {
  bucket                  = aws_s3_bucket.lake.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    # One call to KMS for many objects.
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_policy" "lake" {
  bucket = aws_s3_bucket.lake.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        # What has landed is what the commit log says, and each of its records is created where there is none. This keeps
        # everybody else from writing over one.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
        Sid       = "CommitsAreCreatedOnce"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.bucket_arn}/${local.key_prefix}_commits/*"
        Condition = {
          Null = { "s3:if-none-match" = "true" }
          Bool = { "s3:ObjectCreationOperation" = "true" }
        }
      },
    ]
  })

  # A policy may not be put while the block is being made.
  depends_on = [aws_s3_bucket_public_access_block.lake]
}

# Nothing here removes rows: a file that a commit names and that is gone would be a hole in its table.
resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    # All there is, where it is null.
    filter {
      prefix = local.key_prefix == "" ? null : local.key_prefix
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = var.uploads_abort_after_days
    }
  }

  # A sink tries the bucket out when it starts, and removes what it wrote. This is for those that were killed meanwhile.
  rule {
    id     = "probes"
    status = "Enabled"

    filter {
      prefix = "${local.key_prefix}_probe/"
    }

    expiration {
      days = 1
    }
  }

  rule {
    id     = "load-manifests"
    status = "Enabled"

    filter {
      prefix = "${local.key_prefix}_loads/"
    }

    expiration {
      days = var.manifests_expire_after_days
    }
  }

  dynamic "rule" {
    for_each = var.transition_after_days == null ? [] : [var.transition_after_days]

    content {
      id     = "large-files"
      status = "Enabled"

      # S3 takes two conditions only within `and`, and one only without it.
      filter {
        object_size_greater_than = local.key_prefix == "" ? var.transition_object_bytes_min : null

        dynamic "and" {
          for_each = local.key_prefix == "" ? [] : [local.key_prefix]

          content {
            prefix                   = and.value
            object_size_greater_than = var.transition_object_bytes_min
          }
        }
      }

      transition {
        days          = rule.value
        storage_class = var.transition_storage_class
      }
    }
  }
}

resource "aws_glue_catalog_database" "lake" {
  count = var.glue_database == null ? 0 : 1

  name        = var.glue_database
  description = "Tables of Headgate, made by `headgate tables glue`"
  tags        = var.tags
}
