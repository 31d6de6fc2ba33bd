terraform {
  # Validations may name other variables since 1.9.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # `aws_msk_topic` came with 6.38.
      version = "~> 6.38"
    }
  }
}
