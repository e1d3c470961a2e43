(* Examples that meet the hypotheses of theorems about groups and other policies, and apply them. Two responses are equally likely; the
   first is right and has the score 1, the second is wrong and has the score -1. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Majority Sums Policies Groups Trajectories Surrogates Others Importance Deviation.
Open Scope R_scope.

Definition half (_ : nat) := 1 / 2.
Definition reward i := match i with O => 1 | S _ => 0 end.
Definition its_score i := match i with O => 1 | S _ => -1 end.

Lemma half_sums : Sum 2 half = 1.
Proof. unfold half. simpl. field. Qed.
Lemma half_positive i : (i < 2)%nat -> 0 <= half i.
Proof. intros _. unfold half. lra. Qed.
Lemma reward_binary : binary reward.
Proof. intros [|i]; [right | left]; reflexivity. Qed.
Lemma score_zero : mean 2 half its_score = 0.
Proof. unfold mean, half. simpl. field. Qed.
Lemma right_half : mean 2 half reward = 1 / 2.
Proof. unfold mean, half. simpl. field. Qed.
Lemma slope_half : mean 2 half (fun i => reward i * its_score i) = 1 / 2.
Proof. unfold mean, half. simpl. field. Qed.

(* Dividing by the deviation, at any group size. *)
Example std_update_met G : (2 <= G)%nat ->
  mean_of_groups 2 half G (update (fun l i => over_deviation G (total reward l) * centred reward l i) its_score) = std_weight G (1 / 2) * (1 / 2).
Proof.
intro H. pose proof (std_update 2 half reward its_score half_sums reward_binary score_zero ltac:(rewrite right_half; lra) G H) as E.
rewrite right_half, slope_half in E. exact E.
Qed.

(* A turn that two of three equally likely responses reach. *)
Definition reaches i := match i with 2%nat => 0 | _ => 1 end.
Definition third (_ : nat) := 1 / 3.
Example turn_update_met G : (0 < G)%nat -> mean_of_groups 3 third G (update (of_turn reaches reward) its_score) = turn_weight G (2 / 3) * (1 / 3).
Proof.
intro H. assert (S : Sum 3 third = 1) by (unfold third; simpl; field).
assert (R : mean 3 third reaches = 2 / 3) by (unfold mean, third; simpl; field).
pose proof (turn_update 3 third S reaches reward its_score G H ltac:(intros [|[|[|i]]]; simpl; tauto)
  ltac:(unfold mean, third; simpl; field) ltac:(rewrite R; lra)) as E. rewrite R in E. rewrite E. f_equal. unfold mean, third. simpl. field.
Qed.

(* The deviation of the others, in groups of four. *)
Example others_deviation_met : exists rest, 0 <= rest <= sqrt 3 /\
  mean_of_groups 2 half 4 (update (fun l i => credit_of_others 1 3 (reward i) (total reward l - reward i)) its_score) = (1 / 4 + rest) * (1 / 2).
Proof.
destruct (others_deviation 2 half half_sums half_positive reward its_score 3 1 ltac:(lia) reward_binary score_zero ltac:(lra)) as [rest [B E]].
exists rest. replace (INR 3) with 3 in B by (simpl; ring). split; [exact B|]. rewrite E, slope_half, right_half. f_equal. field.
Qed.

(* Groups that are drawn again: one prompt, groups of two, of which half are mixed. *)
Example redrawn_update_met : P_mixed 1 2 2 (fun _ => 1) (fun _ => half) (fun _ => reward) = 1 / 2.
Proof.
destruct (redrawn_update 1 2 2 (fun _ => 1) (fun _ => half) (fun _ => reward) (fun _ => its_score) (fun _ => 1) 1) as [E _];
  try (intros; exact half_sums || exact reward_binary || exact score_zero || (rewrite right_half; lra) || lra || lia).
- simpl. ring.
- rewrite E. unfold chance_right. simpl Sum. rewrite right_half. field.
Qed.

(* Responses of a fair policy, weighed for one whose answers move with a logit. *)
Definition moving x (_ y : nat) := match y with O => sigmoid x | S _ => 1 - sigmoid x end.
Definition moving_score x (_ y : nat) := match y with O => 1 - sigmoid x | S _ => - sigmoid x end.
Definition nothing (_ _ : nat) := 0.
Example importance_gradient_met F J t T : is_derive (fun x => Ex 2 (moving x) coin T 0 F) t
  (Ex 2 coin coin T 0 (fun l => ratio (moving t) coin coin coin T 0 l * ((F l - J) * rule_sum (moving_score t) nothing nothing one one T 0 nil l))).
Proof.
apply (importance_gradient 2 moving (fun _ => coin)); try (intros; unfold coin; lra).
- intro k. unfold moving. simpl. ring.
- intro k. unfold moving, moving_score. simpl. ring.
- intros k [|y] _; unfold moving, moving_score; [apply sigmoid_derive|]. evar_last; [apply complement_derive, sigmoid_derive|]. ring.
- intros k y _. unfold nothing. evar_last; [apply @is_derive_const|]. simpl. unfold zero; simpl. ring.
- intros k y _. unfold nothing. ring.
Qed.

(* Pairs that share their first token, of two tokens each. *)
Definition pair_line (y : R) (i t : nat) := match t with O => y | S _ => INR i * y end.
Example shared_beginning_met ref beta : is_derive (fun y => dpo (fun _ => 2%nat) ref beta (pair_line 0) (pair_line y)) 0
  (gate (fun _ => 2%nat) ref beta (pair_line 0) * (0 - 1)).
Proof.
evar_last; [apply (shared_beginning (fun _ => 2%nat) ref beta 1 pair_line (fun i t => match t with O => 1 | S _ => INR i end) 0); try (simpl; lia)|].
- intros i [|t] _; unfold pair_line; [apply @is_derive_id|]. auto_derive; [exact Logic.I | ring].
- intros y [|t] H; [reflexivity | lia].
- simpl. f_equal. ring.
Qed.

(* Any factor of a group's advantages; a penalty that is added to them. *)
Example scaled_update_met G h : (0 < G)%nat -> mean_of_groups 2 half G (update (fun l i => h (total reward l) * centred reward l i) its_score)
  = mean_of_groups 2 half G (fun l => h (total reward l) * (total reward l * (INR G - total reward l))) / (INR G ^ 2 * (1 / 2 * (1 - 1 / 2))) * (1 / 2).
Proof.
intro H. pose proof (scaled_update 2 half half_sums G reward its_score h H reward_binary score_zero ltac:(rewrite right_half; lra)) as E.
cbv zeta in E. rewrite right_half, slope_half in E. exact E.
Qed.

Example penalty_after_met G k beta : (0 < G)%nat -> mean_of_groups 2 half G (update (fun l i => centred reward l i - beta * k i) its_score)
  = (INR G - 1) / INR G * (1 / 2) - beta * mean 2 half (fun i => k i * its_score i).
Proof.
intro H. destruct (penalty_after 2 half half_sums G reward k its_score beta H score_zero) as [E _]. rewrite slope_half in E. exact E.
Qed.

(* One of three responses is alone in being right, or all but one are. *)
Example alone_chance_met : mean_of_groups 2 half 3 (fun l => is (total reward l) 1 + is (total reward l) (INR 2)) = 3 / 4.
Proof.
destruct (alone_chance 2 half half_sums reward 2 ltac:(lia) reward_binary) as [E _]. rewrite E, right_half. simpl. field.
Qed.

(* Two problems, solved with chances 1/4 and 3/4; one answer to each. *)
Example design_effect_met : let p x := match x with O => fun i => match i with O => 1 / 4 | S _ => 3 / 4 end | S _ => fun i => match i with O => 3 / 4 | S _ => 1 / 4 end end in
  Sum 2 (fun x => 1 / 2 * mean_of_groups 2 (p x) 5 (fun l => (total reward l - INR 5 * (1 / 2)) ^ 2)) = INR 5 * (1 / 4) * (1 + (INR 5 - 1) / 4).
Proof.
intro p. assert (M : Sum 2 (fun x => 1 / 2 * mean 2 (p x) reward) = 1 / 2) by (unfold mean; simpl; field).
pose proof (design_effect 2 (fun _ => 1 / 2) 2 p reward 5 ltac:(simpl; field) ltac:(intros [|x]; simpl; field) ltac:(intros [|i]; simpl; tauto)) as E.
cbv beta zeta in E. rewrite M in E. rewrite E by lra. f_equal; [field|]. f_equal. unfold mean. simpl. field.
Qed.

(* Responses of fair coins weighed for a policy that answers with the logit 1; and with ratios of at most C. *)
Example whole_ratio_met F T : Ex 2 coin coin T 0 (fun l => ratio (moving 1) coin coin coin T 0 l * F l) = Ex 2 (moving 1) coin T 0 F.
Proof. apply whole_ratio; intros; unfold coin; lra. Qed.

Example capped_ratio_met C F T : let w := ratio (moving 1) coin coin coin T 0 in Ex 2 coin coin T 0 (fun l => Rmin (w l) C * F l)
  = Ex 2 (moving 1) coin T 0 F - Ex 2 coin coin T 0 (fun l => if Rle_dec (w l) C then 0 else (w l - C) * F l).
Proof. apply capped_ratio; intros; unfold coin; lra. Qed.

(* Five verifiers that err with 1/4 at right and with 1/3 at wrong responses; a response is right if its first answer is. *)
Definition starts_right (l : trajectory) := match l with ((0%nat, _) :: _)%list => 1 | _ => 0 end.
Example majority_update_met t T :
  let paid := fun h l : trajectory => if Req_EM_T (starts_right (whole h l)) 1 then 1 - wrong_majority (1 / 4) 5 else wrong_majority (1 / 3) 5 in
  let update c := Ex 2 (moving t) coin T 0 (rule_sum (moving_score t) nothing nothing c c T 0 nil) in
  update paid = (1 - 17 / 81 - 53 / 512) * update (return_form starts_right).
Proof.
intros paid update. unfold update, paid.
rewrite (majority_update 2 (moving t) coin (moving_score t) nothing nothing starts_right (1 / 4) (1 / 3) 5 T 0 nil).
- destruct five_votes as [O [A B]]. rewrite (proj1 (majority_form (1 / 3) 5 O)), A, B. f_equal.
- intro k. unfold moving. simpl. ring.
- intro k. unfold moving, moving_score. simpl. ring.
- intros k y _. unfold nothing. ring.
- intros [|[[|y] d] l]; simpl; tauto.
- reflexivity.
Qed.
