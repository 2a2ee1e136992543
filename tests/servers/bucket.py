"""Bucket on an S3 server, and the settings of an installation that stores its pictures there."""

import boto3
from botocore.config import Config


def bucket(server) -> str:
    """Settings of a new, empty bucket of a server."""
    name = "imgen"
    session = boto3.session.Session(server.access_key_id, server.secret_access_key, region_name=server.region)
    client = session.client("s3", endpoint_url=server.endpoint_url, config=Config(s3={"addressing_style": "path"}))
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": server.region})
    return (
        f'[objects]\nstore = "s3"\n[objects.s3]\nendpoint_url = "{server.endpoint_url}"\nbucket = "{name}"\n'
        f'region = "{server.region}"\naccess_key_id = "{server.access_key_id}"\n'
        f'secret_access_key = "{server.secret_access_key}"\naddressing = "path"\n'
    )
