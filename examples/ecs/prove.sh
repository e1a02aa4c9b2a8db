#!/usr/bin/env bash
# Proves Tidegate on a real AWS account: a good version, one that answers wrongly, one that cannot be pulled.
#
#   make cluster && cargo build && examples/ecs/prove.sh        # asks before it creates anything
#
# It needs the aws CLI (2.x, logged in, with a region and a default VPC) and curl. It creates a Fargate service behind a
# load balancer that only your own address reaches, runs the controller on this machine against a throw-away Kubernetes
# API, and removes everything at its end, however it ends. About 20 minutes. Exit code 0: all went as it should.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
plane=$root/tests/cluster/bin/tidegate-cluster
tidegate=$root/target/debug/tidegate
repository=public.ecr.aws/docker/library/nginx
old=1.27.4 good=1.27.5 wrong=1.26.3 missing=0.0.0-0badc0d
name=tidegate-proof-$$
tags="Key=purpose,Value=$name"
ecs_tags="key=purpose,value=$name"
deadline=1500 # seconds, for each rollout

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
for command in aws curl; do command -v "$command" >/dev/null || fail "$command is not installed"; done
for file in "$plane" "$tidegate"; do [ -x "$file" ] || fail "$file is missing: make cluster && cargo build"; done
export AWS_PAGER='' AWS_DEFAULT_OUTPUT=text
export AWS_REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
[ -n "$AWS_REGION" ] || fail "no region: set AWS_REGION"
export AWS_DEFAULT_REGION=$AWS_REGION

account=$(aws sts get-caller-identity --query Account)
address=$(curl -fsS --max-time 10 https://checkip.amazonaws.com)
cat <<END
In account $account, region $AWS_REGION, as $(aws sts get-caller-identity --query Arn), this creates, all named $name:

  2 security groups; an application load balancer that only $address reaches, with a target group and a listener;
  an ECS cluster; a service of one Fargate task (0.25 vCPU, 0.5 GB) with a public address; some task definitions.

Expected cost: about 0.06 USD (prices of us-east-1: load balancer 0.0225 an hour, at most two tasks of 0.0123 an hour,
at most four public addresses of 0.005 an hour). If this script is killed before its end (kill -9, power), the load
balancer and the task go on costing about 1.20 USD a day until you delete what is named $name.
END
read -r -p "Type yes to create it: " answer || answer=
[ "$answer" = yes ] || { echo "Nothing was created."; exit 1; }

work=$(mktemp -d)
export KUBECONFIG=$work/cluster/kubeconfig
kubectl() { "$plane" kubectl "$@"; }
controller='' control_plane='' lb_group='' task_group='' balancer='' target_group='' listener='' cluster='' service=''
remove() { # a sentence, then the command: what cannot be removed is said, and the rest is removed all the same
  local what=$1 try
  shift
  for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
    if "$@" >"$work/removed" 2>&1; then echo "removed $what"; return; fi
    [ "$try" = 12 ] || sleep 10
  done
  left_over=1
  printf 'NOT REMOVED: %s: %s\n' "$what" "$(tail -n 1 "$work/removed")" >&2
}
clean_up() {
  local code=$?
  trap '' EXIT INT TERM HUP
  set +e
  say "Removing everything"
  left_over=
  for id in $controller $control_plane; do kill "$id" 2>/dev/null; wait "$id" 2>/dev/null; done
  [ -z "$service" ] || remove "the service" aws ecs delete-service --cluster "$cluster" --service "$name" --force
  [ -z "$listener" ] || remove "the listener" aws elbv2 delete-listener --listener-arn "$listener"
  [ -z "$balancer" ] || remove "the load balancer" aws elbv2 delete-load-balancer --load-balancer-arn "$balancer"
  [ -z "$target_group" ] || remove "the target group" aws elbv2 delete-target-group --target-group-arn "$target_group"
  [ -z "$service" ] || aws ecs wait services-inactive --cluster "$cluster" --services "$name"
  for definition in $(aws ecs list-task-definitions --family-prefix "$name" --query 'taskDefinitionArns[]'); do
    remove "$definition" aws ecs deregister-task-definition --task-definition "$definition"
    aws ecs delete-task-definitions --task-definitions "$definition" >/dev/null 2>&1
  done
  [ -z "$cluster" ] || remove "the cluster" aws ecs delete-cluster --cluster "$cluster"
  # Their network interfaces go some time after the task and the load balancer.
  [ -z "$task_group" ] || remove "the tasks' security group" aws ec2 delete-security-group --group-id "$task_group"
  [ -z "$lb_group" ] || remove "the other security group" aws ec2 delete-security-group --group-id "$lb_group"
  if [ "$code" = 0 ]; then rm -rf "$work"; else echo "Logs: $work"; fi
  [ -z "$left_over" ] || { echo "Something is left: look for $name in $AWS_REGION." >&2; code=1; }
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

say "A network, a load balancer, a service that runs $old"
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId')
[ "$vpc" != None ] || fail "$AWS_REGION has no default VPC: choose another region"
read -ra subnets <<<"$(aws ec2 describe-subnets --filters "Name=vpc-id,Values=$vpc" Name=default-for-az,Values=true --query 'Subnets[:2].SubnetId')"
[ "${#subnets[@]}" = 2 ] || fail "the default VPC needs subnets in two zones"
lb_group=$(aws ec2 create-security-group --group-name "$name-lb" --description "$name" --vpc-id "$vpc" --query GroupId)
task_group=$(aws ec2 create-security-group --group-name "$name" --description "$name" --vpc-id "$vpc" --query GroupId)
aws ec2 authorize-security-group-ingress --group-id "$lb_group" --protocol tcp --port 80 --cidr "$address/32" >/dev/null
aws ec2 authorize-security-group-ingress --group-id "$task_group" --protocol tcp --port 80 --source-group "$lb_group" >/dev/null
# A load balancer's name has at most 32 characters.
balancer=$(aws elbv2 create-load-balancer --name "$name" --subnets "${subnets[@]}" --security-groups "$lb_group" \
  --tags "$tags" --query 'LoadBalancers[0].LoadBalancerArn')
host=$(aws elbv2 describe-load-balancers --load-balancer-arns "$balancer" --query 'LoadBalancers[0].DNSName')
target_group=$(aws elbv2 create-target-group --name "$name" --protocol HTTP --port 80 --vpc-id "$vpc" --target-type ip \
  --health-check-interval-seconds 5 --health-check-timeout-seconds 2 --healthy-threshold-count 2 --tags "$tags" \
  --query 'TargetGroups[0].TargetGroupArn')
aws elbv2 modify-target-group-attributes --target-group-arn "$target_group" \
  --attributes Key=deregistration_delay.timeout_seconds,Value=5 >/dev/null
listener=$(aws elbv2 create-listener --load-balancer-arn "$balancer" --protocol HTTP --port 80 \
  --default-actions "Type=forward,TargetGroupArn=$target_group" --query 'Listeners[0].ListenerArn')
cluster=$(aws ecs create-cluster --cluster-name "$name" --tags "$ecs_tags" --query cluster.clusterName)
first=$(aws ecs register-task-definition --family "$name" --requires-compatibilities FARGATE --network-mode awsvpc \
  --cpu 256 --memory 512 --tags "$ecs_tags" --query taskDefinition.taskDefinitionArn --container-definitions \
  '[{"name": "web", "image": "'"$repository:$old"'", "essential": true, "portMappings": [{"containerPort": 80}]}]')
network="awsvpcConfiguration={subnets=[${subnets[0]},${subnets[1]}],securityGroups=[$task_group],assignPublicIp=ENABLED}"
service=$(aws ecs create-service --cluster "$cluster" --service-name "$name" --task-definition "$first" --desired-count 1 \
  --launch-type FARGATE --network-configuration "$network" --tags "$ecs_tags" \
  --deployment-configuration 'deploymentCircuitBreaker={enable=true,rollback=true}' \
  --load-balancers "targetGroupArn=$target_group,containerName=web,containerPort=80" --query service.serviceArn)
aws elbv2 wait load-balancer-available --load-balancer-arns "$balancer"
aws ecs wait services-stable --cluster "$cluster" --services "$name"

say "A Kubernetes API and the controller, on this machine, with your credentials"
"$plane" up "$work/cluster" --nodes=1 --outlive-parent >"$work/control-plane.log" 2>&1 </dev/null &
control_plane=$!
for ((n = 0; n < 120; n++)); do [ ! -e "$work/cluster/cluster.json" ] || break; sleep 1; done
kubectl apply --server-side -f "$root/crds" >/dev/null
kubectl wait --for='jsonpath={.status.conditions[?(@.type=="Established")].status}=True' crd/releases.tidegate.dev --timeout=60s
kubectl create namespace proof
kubectl annotate namespace proof tidegate.dev/allow-roles=own
"$tidegate" run --no-lease --listen=127.0.0.1:0 --log-format=text >"$work/controller.log" 2>&1 &
controller=$!

release() { # TAG
  cat <<END | kubectl apply -f -
apiVersion: tidegate.dev/v1alpha1
kind: Release
metadata: {name: web, namespace: proof}
spec:
  image: {repository: $repository, tag: $1}
  stages:
    - name: production
      promotion: {mode: Automatic}
      progressDeadline: 15m
      targets:
        - name: web
          ecs: {region: $AWS_REGION, cluster: $cluster, service: $name, containers: [web]}
      healthChecks:
        # nginx says its version at the foot of its page for what is not found.
        - name: version
          http: {url: "http://$host/no-such-page", expect: {status: [404], body: nginx/1.27}}
          retry: {attempts: 5, interval: 5s, successes: 3}
END
}
show() { kubectl get release web -n proof -o "jsonpath=$1"; }
runs() { # the image that the service is told to run
  local definition
  definition=$(aws ecs describe-services --cluster "$cluster" --services "$name" --query 'services[0].taskDefinition')
  aws ecs describe-task-definition --task-definition "$definition" --query 'taskDefinition.containerDefinitions[0].image'
}
must() { # TAG, "PHASE CAUSE" that it must end with, tag that must run then
  local tag=$1 expected=$2 then=$3 said='' now began=$SECONDS
  release "$tag"
  while ((SECONDS - began < deadline)); do
    kill -0 "$controller" 2>/dev/null || fail "the controller has ended: $work/controller.log"
    now=$(show '{.status.phase}: {.status.message}')
    [ "$now" = "$said" ] || printf '%5d s  %s\n' $((SECONDS - began)) "$now"
    said=$now
    if [ "$(show '{.status.tag} {.status.rollout.step}')" = "$tag Ended" ]; then
      local end image
      end=$(show '{.status.phase} {.status.rollout.cause.reason}')
      [ "${end% }" = "$expected" ] || fail "$tag ended as $end, expected $expected"
      image=$(runs)
      [ "$image" = "$repository:$then" ] || fail "the service runs $image, expected $then"
      echo "as it should: $end, and ECS runs $then"
      return
    fi
    sleep 2
  done
  fail "$tag has not ended within $deadline s"
}

say "$old runs already: it is asked, and nothing is written"
must "$old" "Verified" "$old"
say "A good version: $good"
must "$good" "Verified" "$good"
say "A version that starts, that ECS calls a success, and that answers wrongly: $wrong"
must "$wrong" "RolledBack HealthCheckFailed" "$good"
say "A version that cannot be pulled: $missing"
must "$missing" "RolledBack ImagePullFailed" "$good"
say "Proved: on AWS, in account $account, all four ended as they should"
