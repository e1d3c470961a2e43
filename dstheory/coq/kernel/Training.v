(* SFT on its way: a bias that decisions share, how long a decision takes, and what the weight of sampling does move. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Picard Lipschitz Chain Accuracy Imitation.
Open Scope R_scope.

(* Without discount the demonstrator's turns are one over the probability that a turn of its demonstrations stops. *)
Lemma turns_stops n piE sE : Sum n piE = 1 -> turns n piE sE 1 = 1 / Sum n (fun y => piE y * sE y).
Proof.
intro H. unfold turns, again. f_equal. rewrite Rmult_1_l. rewrite <- H at 1. rewrite <- Sum_minus. apply Sum_ext; intros; ring.
Qed.

Lemma turns_pos n piE sE : policy n piE sE -> ends n piE sE 1 -> 0 < turns n piE sE 1.
Proof. intros P E. pose proof (discounted_in n piE sE 1 P E). apply Rdiv_lt_0_compat; lra. Qed.

(* Training by SFT from any logits, at any weights: curves that follow the gradient in both tables exist for all times. *)
Theorem imitation_flow n piE sE w v z0 tau0 : (0 < n)%nat -> exists z tau : R -> nat -> R,
  (forall j, (j < n)%nat -> z 0 j = z0 j /\ tau 0 j = tau0 j)
  /\ forall t j, (j < n)%nat -> let pi := softmax n (z t) in let s y := sigmoid (tau t y) in
     (forall d, is_derive (fun x => sft n piE sE (softmax n (upd (z t) j x)) s w v) (z t j) d -> is_derive (fun x => z x j) t d)
     /\ (forall d, is_derive (fun x => sft n piE sE pi (fun y => sigmoid (upd (tau t) j x y)) w v) (tau t j) d -> is_derive (fun x => tau x j) t d).
Proof.
intro N. set (nE := turns n piE sE 1). set (S := Sum n (fun y => w y * piE y)).
set (F x i := if Nat.ltb i n then nE * (w i * piE i - softmax n x i * S) else nE * (v * piE (i - n)%nat * (sE (i - n)%nat - sigmoid (x i)))).
assert (T : forall i, (i < n + n)%nat -> tame (n + n) (fun x => F x i)).
{ intros i Hi. unfold F. destruct (Nat.ltb_spec i n) as [L|L]; apply tame_mult; try apply tame_const.
  - apply tame_minus; [apply tame_const|]. apply tame_mult; [|apply tame_const].
    apply (tame_softmax (n + n) n (fun x => x)); [intros k Hk; apply tame_coordinate; lia | exact L].
  - apply tame_mult; [apply tame_const|]. apply tame_minus; [apply tame_const|]. apply tame_sigmoid, tame_coordinate, Hi. }
set (B := Rabs nE * (Sum n (fun y => Rabs (w y * piE y)) + Rabs S + Sum n (fun y => Rabs (v * piE y)) * (Sum n (fun y => Rabs (sE y)) + 1))).
assert (H : forall x i, (i < n + n)%nat -> Rabs (F x i) <= B).
{ intros x i Hi. assert (A1 : 0 <= Sum n (fun y => Rabs (w y * piE y))) by (apply Sum_nonneg; intros; apply Rabs_pos).
  assert (A2 : 0 <= Sum n (fun y => Rabs (v * piE y))) by (apply Sum_nonneg; intros; apply Rabs_pos).
  assert (A3 : 0 <= Sum n (fun y => Rabs (sE y))) by (apply Sum_nonneg; intros; apply Rabs_pos). pose proof (Rabs_pos S).
  unfold F, B. destruct (Nat.ltb_spec i n) as [L|L]; rewrite Rabs_mult; apply Rmult_le_compat_l; try apply Rabs_pos.
  - assert (P : 0 <= softmax n x i <= 1).
    { split; [apply Rlt_le, softmax_pos, N|]. rewrite <- (softmax_sum n N x). apply (term_below n (softmax n x)); [intros; apply Rlt_le, softmax_pos, N | exact L]. }
    pose proof (abs_below n (fun y => w y * piE y) i L) as X. cbv beta in X. pose proof (Rabs_triang (w i * piE i) (- (softmax n x i * S))) as Y.
    rewrite Rabs_Ropp, (Rabs_mult (softmax n x i)), (Rabs_pos_eq (softmax n x i)) in Y by lra. unfold Rminus.
    assert (0 <= Sum n (fun y => Rabs (v * piE y)) * (Sum n (fun y => Rabs (sE y)) + 1)) by (apply Rmult_le_pos; lra). nra.
  - assert (Hj : (i - n < n)%nat) by lia. pose proof (abs_below n (fun y => v * piE y) _ Hj) as X. pose proof (abs_below n sE _ Hj) as Y.
    cbv beta in X. pose proof (sigmoid_in (x i)). rewrite Rabs_mult. pose proof (Rabs_triang (sE (i - n)%nat) (- sigmoid (x i))) as Z.
    rewrite Rabs_Ropp, (Rabs_pos_eq (sigmoid (x i))) in Z by lra.
    assert (Rabs (v * piE (i - n)%nat) * Rabs (sE (i - n)%nat - sigmoid (x i)) <= Sum n (fun y => Rabs (v * piE y)) * (Sum n (fun y => Rabs (sE y)) + 1));
      [apply Rmult_le_compat; try apply Rabs_pos; try assumption; unfold Rminus; lra | lra]. }
destruct (tame_flow (n + n) F B (fun i => if Nat.ltb i n then z0 i else tau0 (i - n)%nat) T H) as [x [[Z D] _]].
exists x, (fun t j => x t (n + j)%nat). split.
- intros j Hj. rewrite !Z by lia. destruct (Nat.ltb_spec j n); [|lia]. destruct (Nat.ltb_spec (n + j) n); [lia|].
  split; [reflexivity | f_equal; lia].
- intros t j Hj pi s. split; intros d Hd; (evar_last; [apply D; lia|]).
  + apply (is_derive_unique _ _ _) in Hd. rewrite <- Hd. symmetry. apply is_derive_unique. unfold F. destruct (Nat.ltb_spec j n); [|lia].
    apply sft_sampling; assumption.
  + apply (is_derive_unique _ _ _) in Hd. rewrite <- Hd. symmetry. apply is_derive_unique. unfold F. destruct (Nat.ltb_spec (n + j) n); [lia|].
    replace (n + j - n)%nat with j by lia. apply (sft_decision n piE sE pi (fun y => x t (n + y)%nat)), Hj.
Qed.

(* So do curves of a bias that all decisions share; the own parts of the answers that `moves` names follow their gradients, the others stay. *)
Theorem bias_flow n piE sE pi (moves : nat -> bool) own0 bias0 w v : exists (own : R -> nat -> R) bias, bias 0 = bias0
  /\ (forall t d, is_derive (fun x => sft n piE sE pi (fun y => sigmoid (own t y + x)) w v) (bias t) d -> is_derive bias t d)
  /\ (forall j, moves j = false -> forall t, own t j = own0 j)
  /\ forall j, (j < n)%nat -> moves j = true -> own 0 j = own0 j /\ forall t d,
     is_derive (fun x => sft n piE sE pi (fun y => sigmoid (upd (own t) j x y + bias t)) w v) (own t j) d -> is_derive (fun x => own x j) t d.
Proof.
set (nE := turns n piE sE 1). set (own_of (x : nat -> R) y := if moves y then x y else own0 y).
set (part (x : nat -> R) y := piE y * (sE y - sigmoid (own_of x y + x n))).
set (F x i := if Nat.ltb i n then nE * (v * part x i) else nE * (v * Sum n (part x))).
assert (TP : forall i, (i < n)%nat -> tame (S n) (fun x => part x i)).
{ intros i Hi. unfold part. apply tame_mult; [apply tame_const|]. apply tame_minus; [apply tame_const|]. apply tame_sigmoid, tame_plus;
    [unfold own_of; destruct (moves i); [apply tame_coordinate; lia | apply tame_const] | apply tame_coordinate; lia]. }
assert (T : forall i, (i < S n)%nat -> tame (S n) (fun x => F x i)).
{ intros i Hi. unfold F. destruct (Nat.ltb_spec i n) as [L|L]; (apply tame_mult; [apply tame_const|]; apply tame_mult; [apply tame_const|]);
    [apply TP, L | apply tame_Sum, TP]. }
set (P := Sum n (fun y => Rabs (piE y * (Rabs (sE y) + 1)))). set (B := Rabs nE * (Rabs v * P)).
assert (PB : forall x i, (i < n)%nat -> Rabs (part x i) <= Rabs (piE i * (Rabs (sE i) + 1))).
{ intros x i _. unfold part. rewrite !Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos|]. pose proof (sigmoid_in (own_of x i + x n)).
  pose proof (Rabs_triang (sE i) (- sigmoid (own_of x i + x n))) as Z. rewrite Rabs_Ropp, (Rabs_pos_eq (sigmoid _)) in Z by lra.
  pose proof (Rabs_pos (sE i)). rewrite (Rabs_pos_eq (Rabs (sE i) + 1)) by lra. unfold Rminus. lra. }
assert (H : forall x i, (i < S n)%nat -> Rabs (F x i) <= B).
{ intros x i Hi. unfold F, B. destruct (Nat.ltb_spec i n) as [L|L]; rewrite !Rabs_mult; apply Rmult_le_compat_l; try apply Rabs_pos;
    apply Rmult_le_compat_l; try apply Rabs_pos.
  - apply Rle_trans with (1 := PB x i L). apply (abs_below n (fun y => piE y * (Rabs (sE y) + 1))), L.
  - apply Rle_trans with (1 := Sum_abs n (part x)). apply Sum_le, PB. }
destruct (tame_flow (S n) F B (fun i => if Nat.ltb i n then own0 i else bias0) T H) as [x [[Z D] _]].
exists (fun t => own_of (x t)), (fun t => x t n). split; [|split; [|split]].
- rewrite Z by lia. destruct (Nat.ltb_spec n n); [lia | reflexivity].
- intros t d Hd. evar_last; [apply D; lia|]. apply (is_derive_unique _ _ _) in Hd. rewrite <- Hd. symmetry. apply is_derive_unique.
  unfold F. destruct (Nat.ltb_spec n n); [lia|]. evar_last; [apply (sft_decisions n piE sE pi (fun u y => own_of (x t) y + u) (fun _ => 1))|].
  + intros y _. evar_last; [apply (sum_derive (fun _ => own_of (x t) y) (fun u => u)); [apply @is_derive_const | apply @is_derive_id]|].
    unfold zero, Hierarchy.one; simpl. ring.
  + fold nE. f_equal. f_equal. apply Sum_ext. intros; unfold part; ring.
- intros j Mj t. unfold own_of. rewrite Mj. reflexivity.
- intros j Hj Mj. split; [unfold own_of; rewrite Mj, Z by lia; destruct (Nat.ltb_spec j n); [reflexivity | lia]|]. intros t d Hd.
  apply is_derive_ext with (fun u => x u j); [intro u; unfold own_of; rewrite Mj; reflexivity|]. evar_last; [apply D; lia|].
  apply (is_derive_unique _ _ _) in Hd. rewrite <- Hd. symmetry. apply is_derive_unique. unfold F. destruct (Nat.ltb_spec j n); [|lia].
  evar_last; [apply (sft_decisions n piE sE pi (fun u y => upd (own_of (x t)) j u y + x t n) (fun y => delta y j))|].
  + intros y _. evar_last; [apply (sum_derive (fun u => upd (own_of (x t)) j u y) (fun _ => x t n)); [apply upd_derive | apply @is_derive_const]|].
    unfold zero; simpl. ring.
  + fold nE. f_equal. f_equal. rewrite (Sum_delta n (fun y => piE y * (sE y - sigmoid (upd (own_of (x t)) j (own_of (x t) j) y + x t n))) j Hj), upd_self.
    reflexivity.
Qed.

(* A logit that follows k (xE - its probability). *)
Theorem logit_flow xE k l : exists theta : R -> R, theta 0 = l /\ forall t, is_derive theta t (k * (xE - sigmoid (theta t))).
Proof.
destruct (tame_flow 1 (fun x _ => k * (xE - sigmoid (x 0%nat))) (Rabs k * (Rabs xE + 1)) (fun _ => l)) as [x [[Z D] _]].
- intros i _. apply tame_mult; [apply tame_const|]. apply tame_minus; [apply tame_const|]. apply tame_sigmoid, tame_coordinate. lia.
- intros x i _. rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos|]. pose proof (sigmoid_in (x 0%nat)).
  pose proof (Rabs_triang xE (- sigmoid (x 0%nat))) as Y. rewrite Rabs_Ropp, (Rabs_pos_eq (sigmoid (x 0%nat))) in Y by lra. unfold Rminus. lra.
- exists (fun t => x t 0%nat). split; [apply Z; lia | intro t; apply (D t 0%nat); lia].
Qed.

(* C3-shared, any number of answers: stop logits are a shared bias plus a part of each answer's own, which stays or follows its
   gradient, too; bias follows its own. At an answer that no demonstration gives, resampling gets less likely exactly as long as the
   policy stops less often after the demonstrated answers (a) than the demonstrations do (aE): always, if these stop at once. *)
Theorem bias_unlearns n piE sE (pi : R -> nat -> R) (own : R -> nat -> R) bias w v t j :
  policy n piE sE -> ends n piE sE 1 -> 0 < v -> (j < n)%nat -> piE j = 0 ->
  (forall d, is_derive (fun x => sft n piE sE (pi t) (fun y => sigmoid (own t y + x)) w v) (bias t) d -> is_derive bias t d) ->
  is_derive (fun x => own x j) t 0
  \/ (forall d, is_derive (fun x => sft n piE sE (pi t) (fun y => sigmoid (upd (own t) j x y + bias t)) w v) (own t j) d
        -> is_derive (fun x => own x j) t d) ->
  let s x y := sigmoid (own x y + bias x) in let b x := 1 - s x j in
  let aE := Sum n (fun y => piE y * sE y) in let a := Sum n (fun y => piE y * s t y) in
  let speed := - (b t * (1 - b t) * (v * (aE - a) / aE)) in
  is_derive b t speed /\ (speed < 0 <-> a < aE) /\ (aE = 1 -> a < aE).
Proof.
intros P E V Hj Zj FB FO s b aE a speed.
assert (H := proj1 P). pose proof (turns_pos n piE sE P E) as N. pose proof (turns_stops n piE sE H) as NS. fold aE in NS.
assert (AE : 0 < aE).
{ pose proof (discounted_in n piE sE 1 P E) as D. assert (X : aE = 1 - 1 * again n piE sE); [|lra].
  unfold aE, again. rewrite Rmult_1_l. rewrite <- H at 1. rewrite <- Sum_minus. apply Sum_ext; intros; ring. }
pose proof (sigmoid_in (own t j + bias t)) as S. fold (s t j) in S.
assert (DB : is_derive bias t (v * (aE - a) / aE)).
{ apply FB. evar_last; [apply (sft_decisions n piE sE (pi t) (fun x y => own t y + x) (fun _ => 1))|].
  - intros y _. evar_last; [apply (sum_derive (fun _ => own t y) (fun x => x)); [apply @is_derive_const | apply @is_derive_id]|].
    unfold zero, Hierarchy.one; simpl. ring.
  - rewrite (Sum_ext n _ (fun y => piE y * sE y - piE y * s t y)) by (intros; unfold s; ring).
    rewrite Sum_minus, NS. fold aE a. field. apply Rgt_not_eq, AE. }
assert (DO : is_derive (fun x => own x j) t 0).
{ destruct FO as [D|FO]; [exact D|]. apply FO.
  evar_last; [apply (sft_decisions n piE sE (pi t) (fun x y => upd (own t) j x y + bias t) (fun y => delta y j))|].
  - intros y _. evar_last; [apply (sum_derive (fun x => upd (own t) j x y) (fun _ => bias t)); [apply upd_derive | apply @is_derive_const]|].
    unfold zero; simpl. ring.
  - rewrite (Sum_zero n (fun y => _ * delta y j)); [ring|]. intros y Hy.
    destruct (Nat.eq_dec y j) as [->|D]; [rewrite Zj; ring | rewrite delta_other by exact D; ring]. }
split; [|split].
- evar_last; [apply complement_derive; apply (is_derive_comp sigmoid (fun x => own x j + bias x));
    [apply sigmoid_derive | apply (sum_derive (fun x => own x j) bias); [exact DO | exact DB]]|].
  unfold scal; simpl; unfold mult; simpl. unfold speed, b, s. ring.
- assert (K : 0 < b t * (1 - b t) * (v / aE)).
  { unfold b. apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; lra | apply Rdiv_lt_0_compat; assumption]. }
  assert (X : speed = - (b t * (1 - b t) * (v / aE) * (aE - a))) by (unfold speed, Rdiv; ring).
  rewrite X. set (k := b t * (1 - b t) * (v / aE)) in *. clearbody k a aE. split; intro; nra.
- intro O. rewrite O, <- H. destruct E as [[_ E]|[_ [y [Hy [Py _]]]]]; [lra|].
  apply (Sum_lt_one n _ _ y Hy).
  + pose proof (sigmoid_in (own t y + bias t)). fold (s t y) in *. nra.
  + intros i Hi. pose proof (sigmoid_in (own t i + bias t)). fold (s t i) in *. pose proof (proj1 (proj2 P) i Hi). nra.
Qed.

(* Demonstrations that are right first time, and own parts that follow their gradients. *)
Example bias_unlearns_met own0 bias0 : let piE := two 1 0 in let sE := two 1 1 in let fair := two (1 / 2) (1 / 2) in
  let objective s := sft 2 piE sE fair s (fun _ => 1) 1 in exists (own : R -> nat -> R) bias, bias 0 = bias0
  /\ (forall t d, is_derive (fun x => objective (fun y => sigmoid (own t y + x))) (bias t) d -> is_derive bias t d)
  /\ (forall j, (j < 2)%nat -> own 0 j = own0 j /\ forall t d,
       is_derive (fun x => objective (fun y => sigmoid (upd (own t) j x y + bias t))) (own t j) d -> is_derive (fun x => own x j) t d)
  /\ forall t, exists d, is_derive (fun x => 1 - sigmoid (own x 1%nat + bias x)) t d /\ d < 0.
Proof.
intros piE sE fair objective. destruct (bias_flow 2 piE sE fair (fun _ => true) own0 bias0 (fun _ => 1) 1) as [own [bias [Z [FB [_ FO]]]]].
exists own, bias. split; [exact Z|]. split; [exact FB|]. split; [intros j Hj; apply FO; [exact Hj | reflexivity]|]. intro t.
assert (P : policy 2 piE sE) by (split; [simpl; ring|]; split; intros [|y] _; simpl; lra).
assert (E : ends 2 piE sE 1) by (right; split; [reflexivity|]; exists 0%nat; simpl; repeat split; lra || lia).
destruct (bias_unlearns 2 piE sE (fun _ => fair) own bias (fun _ => 1) 1 t 1 P E ltac:(lra) ltac:(lia) eq_refl (FB t)
  ltac:(right; apply FO; [lia | reflexivity])) as [D [S O]].
eexists. split; [exact D|]. apply S, O. simpl. ring.
Qed.

(* The claim's minimal chain, demonstrations that are right first time: db/dt = - b (1 - b) w_d (a_E - a)/a_E. *)
Corollary C3_shared_minimal aE own bias w v t (pi : nat -> R) : 0 < aE <= 1 -> 0 < v ->
  let a := sigmoid (own 0%nat + bias t) in let b x := 1 - sigmoid (own 1%nat + bias x) in
  (forall d, is_derive (fun x => sft 2 (two 1 0) (two aE 1) pi (fun y => sigmoid (own y + x)) w v) (bias t) d -> is_derive bias t d) ->
  is_derive b t (- (b t * (1 - b t) * (v * (aE - a) / aE))).
Proof.
intros A V a b F. assert (P : policy 2 (two 1 0) (two aE 1)).
{ split; [simpl; ring|]. split; intros [|y] _; simpl; lra. }
assert (E : ends 2 (two 1 0) (two aE 1) 1) by (right; split; [reflexivity|]; exists 0%nat; simpl; repeat split; lra || lia).
destruct (bias_unlearns 2 _ _ (fun _ => pi) (fun _ => own) bias w v t 1 P E V ltac:(lia) eq_refl F
  ltac:(left; apply @is_derive_const)) as [D _].
evar_last; [exact D|]. simpl. unfold b, a.
replace (0 + 1 * aE + 0 * 1) with aE by ring. replace (0 + 1 * sigmoid (own 0%nat + bias t) + 0 * sigmoid (own 1%nat + bias t))
  with (sigmoid (own 0%nat + bias t)) by ring. reflexivity.
Qed.

Example C3_shared_minimal_met own bias0 : let b bias x := 1 - sigmoid (own 1%nat + bias x) in exists bias, bias 0 = bias0
  /\ (forall t d, is_derive (fun x => sft 2 (two 1 0) (two (1 / 2) 1) (two 1 0) (fun y => sigmoid (own y + x)) (fun _ => 1) 1) (bias t) d
        -> is_derive bias t d)
  /\ forall t, is_derive (b bias) t (- (b bias t * (1 - b bias t) * (1 * (1 / 2 - sigmoid (own 0%nat + bias t)) / (1 / 2)))).
Proof.
intro b. destruct (bias_flow 2 (two 1 0) (two (1 / 2) 1) (two 1 0) (fun _ => false) own bias0 (fun _ => 1) 1) as [still [bias [Z [FB [FO _]]]]].
assert (F : forall t d, is_derive (fun x => sft 2 (two 1 0) (two (1 / 2) 1) (two 1 0) (fun y => sigmoid (own y + x)) (fun _ => 1) 1) (bias t) d
        -> is_derive bias t d).
{ intros t d H. apply FB. apply is_derive_ext with (2 := H). intro x. unfold sft, value, turn_reward. simpl. rewrite !FO by reflexivity. reflexivity. }
exists bias. split; [exact Z|]. split; [exact F|]. intro t.
apply (C3_shared_minimal (1 / 2) own bias (fun _ => 1) 1 t (two 1 0) ltac:(lra) ltac:(lra) (F t)).
Qed.

(* C5-time. What a logit's clock shows at probability x, if the demonstrated one is xE. *)
Definition clock xE x := (ln (x / (1 - x)) - ln ((xE - x) / (1 - x)) / (1 - xE)) / xE.

Lemma clock_derive xE x : 0 < x < xE -> xE < 1 -> is_derive (clock xE) x (1 / (x * (1 - x) * (xE - x))).
Proof.
intros X E. assert (A : 0 < x / (1 - x)) by (apply Rdiv_lt_0_compat; lra). assert (B : 0 < (xE - x) / (1 - x)) by (apply Rdiv_lt_0_compat; lra).
unfold clock. auto_derive; [repeat split; lra || exact A || exact B|]. field. repeat split; lra.
Qed.

Section Logit.
(* A logit that follows k (xE - its probability). *)
Variables (theta : R -> R) (xE k : R).
Hypothesis demonstrated : 0 < xE < 1.
Hypothesis speed : 0 < k.
Hypothesis flow : forall t, is_derive theta t (k * (xE - sigmoid (theta t))).
Let x t := sigmoid (theta t).

Lemma flow_probability t : is_derive x t (k * (x t * (1 - x t)) * (xE - x t)).
Proof.
evar_last; [apply (is_derive_comp sigmoid theta); [apply sigmoid_derive | apply flow]|].
unfold scal; simpl; unfold mult; simpl. unfold x. ring.
Qed.

(* What is below the demonstrated probability was below it before: the squared distance never grows. *)
Lemma stays_below t u : u <= t -> x t < xE -> x u < xE.
Proof.
intros U B. apply Rnot_le_lt. intro A.
assert (C : continuity (fun t => xE - x t)).
{ intro r. apply derivable_continuous_pt. exists (- (k * (x r * (1 - x r)) * (xE - x r))). apply is_derive_Reals.
  evar_last; [apply (is_derive_minus (fun _ => xE) x); [apply @is_derive_const | apply flow_probability]|].
  unfold minus, plus, opp, zero; simpl. ring. }
destruct (IVT_cor _ u t C U) as [c [Hc Z]]; [nra|].
assert (NZ : c <> t) by (intro; subst c; lra).
destruct (MVT_gen (fun t => (xE - x t) ^ 2) c t (fun r => - (2 * (k * (x r * (1 - x r))) * (xE - x r) ^ 2))) as [r [_ M]].
- intros r _. evar_last; [apply (is_derive_pow (fun t => xE - x t) 2 r (- (k * (x r * (1 - x r)) * (xE - x r))))|simpl; ring].
  evar_last; [apply (is_derive_minus (fun _ => xE) x); [apply @is_derive_const | apply flow_probability]|].
  unfold minus, plus, opp, zero; simpl. ring.
- intros r _. apply (continuity_pt_comp (fun t => xE - x t) (fun y => y ^ 2)); [apply C|].
  apply derivable_continuous_pt, derivable_pt_pow.
- rewrite Z in M. pose proof (sigmoid_in (theta r)) as S. fold (x r) in S.
  assert (0 <= 2 * (k * (x r * (1 - x r))) * (xE - x r) ^ 2).
  { apply Rmult_le_pos; [|apply pow2_ge_0]. assert (0 < x r * (1 - x r)) by nra. nra. }
  assert (0 < (xE - x t) ^ 2) by (apply pow_lt; lra). assert (0 < t - c) by lra. nra.
Qed.

(* So the clock runs at the speed k. *)
Theorem logit_time t0 t1 : t0 < t1 -> x t1 < xE -> t1 - t0 = (clock xE (x t1) - clock xE (x t0)) / k.
Proof.
intros L B. assert (D : forall r, t0 <= r <= t1 -> is_derive (fun t => clock xE (x t) - k * t) r 0).
{ intros r [_ R]. pose proof (stays_below t1 r R B) as Br. pose proof (sigmoid_in (theta r)) as S. fold (x r) in S. evar_last.
  - apply (is_derive_minus (fun t => clock xE (x t)) (fun t => k * t)).
    + apply (is_derive_comp (clock xE) x); [apply clock_derive; lra | apply flow_probability].
    + apply is_derive_scal, @is_derive_id.
  - unfold minus, plus, opp, scal, Hierarchy.one; simpl; unfold mult; simpl. field. repeat split; lra. }
pose proof (eq_is_derive (fun t => clock xE (x t) - k * t) t0 t1 D L) as Q. cbv beta in Q.
apply Rmult_eq_reg_r with k; [|lra]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.
End Logit.

Lemma sigmoid_0 : sigmoid 0 = 1 / 2.
Proof. unfold sigmoid. rewrite Ropp_0, exp_0. field. Qed.

Example logit_time_met : exists theta, theta 0 = 0 /\ (forall t, is_derive theta t (1 * (3 / 4 - sigmoid (theta t))))
  /\ forall t, t < 0 -> 0 - t = (clock (3 / 4) (sigmoid (theta 0)) - clock (3 / 4) (sigmoid (theta t))) / 1.
Proof.
destruct (logit_flow (3 / 4) 1 0) as [theta [Z D]]. exists theta. split; [exact Z|]. split; [exact D|]. intros t L.
apply (logit_time theta (3 / 4) 1 ltac:(lra) ltac:(lra) D t 0 L). rewrite Z, sigmoid_0. lra.
Qed.

(* The time in which a probability of resampling after answer j goes from x0 to x1: it contains no weight of sampling. *)
Definition imitation_time n piE sE v j x0 x1 := (clock (1 - sE j) x1 - clock (1 - sE j) x0) / (v * turns n piE sE 1 * piE j).

(* C5-time, any number of answers: along the gradient flow of SFT in a table, at any weights of the answers. *)
Theorem decision_time n piE sE (pi : R -> nat -> R) (tau : R -> nat -> R) w v j t0 t1 :
  policy n piE sE -> ends n piE sE 1 -> 0 < v -> (j < n)%nat -> 0 < piE j -> 0 < sE j < 1 ->
  (forall t d, is_derive (fun x => sft n piE sE (pi t) (fun y => sigmoid (upd (tau t) j x y)) w v) (tau t j) d
     -> is_derive (fun x => tau x j) t d) ->
  t0 < t1 -> let b t := 1 - sigmoid (tau t j) in
  (b t1 < 1 - sE j -> t1 - t0 = imitation_time n piE sE v j (b t0) (b t1))
  /\ (1 - b t1 < sE j -> t1 - t0 = (clock (sE j) (1 - b t1) - clock (sE j) (1 - b t0)) / (v * turns n piE sE 1 * piE j)).
Proof.
intros P E V Hj Pj SE F L b. pose proof (turns_pos n piE sE P E) as N. set (k := v * turns n piE sE 1 * piE j).
assert (K : 0 < k) by (apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat|]; assumption).
assert (D : forall t, is_derive (fun x => tau x j) t (k * (sE j - sigmoid (tau t j)))).
{ intro t. apply F. evar_last; [apply sft_decision, Hj|]. unfold k. ring. }
assert (C : forall t, 1 - sigmoid t = sigmoid (- t)).
{ intro t. unfold sigmoid. rewrite Ropp_involutive, exp_Ropp. pose proof (exp_pos t). field. lra. }
split; intro B.
- unfold imitation_time. fold k. unfold b in *. rewrite !C in *.
  apply (logit_time (fun t => - tau t j) (1 - sE j) k); [lra | exact K | | exact L | exact B].
  intro t. evar_last; [apply (is_derive_opp (fun x => tau x j)), D|]. rewrite <- C. unfold opp; simpl. ring.
- unfold b in *. replace (1 - (1 - sigmoid (tau t1 j))) with (sigmoid (tau t1 j)) in * by ring.
  replace (1 - (1 - sigmoid (tau t0 j))) with (sigmoid (tau t0 j)) by ring.
  apply (logit_time (fun t => tau t j) (sE j) k); assumption.
Qed.

Example decision_time_met z0 : let piE := two (1 / 2) (1 / 2) in let sE := two (3 / 4) (1 / 4) in exists z tau : R -> nat -> R,
  (forall j, (j < 2)%nat -> z 0 j = z0 j /\ tau 0 j = 0)
  /\ (forall t d, is_derive (fun x => sft 2 piE sE (softmax 2 (z t)) (fun y => sigmoid (upd (tau t) 0 x y)) (fun _ => 1) 1) (tau t 0%nat) d
        -> is_derive (fun x => tau x 0%nat) t d)
  /\ forall t, t < 0 -> 0 - t = (clock (3 / 4) (sigmoid (tau 0 0%nat)) - clock (3 / 4) (sigmoid (tau t 0%nat))) / (1 * 2 * (1 / 2)).
Proof.
intros piE sE. destruct (imitation_flow 2 piE sE (fun _ => 1) 1 z0 (fun _ => 0) ltac:(lia)) as [z [tau [Z D]]]. exists z, tau.
split; [exact Z|]. assert (F : forall t d, is_derive (fun x => sft 2 piE sE (softmax 2 (z t)) (fun y => sigmoid (upd (tau t) 0 x y)) (fun _ => 1) 1)
  (tau t 0%nat) d -> is_derive (fun x => tau x 0%nat) t d) by (intro t; apply (D t 0%nat); lia).
split; [exact F|]. intros t L. assert (P : policy 2 piE sE) by (split; [simpl; field|]; split; intros [|y] _; simpl; lra).
assert (E : ends 2 piE sE 1) by (right; split; [reflexivity|]; exists 0%nat; simpl; repeat split; lra || lia).
destruct (decision_time 2 piE sE (fun t => softmax 2 (z t)) tau (fun _ => 1) 1 0 t 0 P E ltac:(lra) ltac:(lia) ltac:(simpl; lra) ltac:(simpl; lra)
  F L) as [_ T].
assert (T0 : tau 0 0%nat = 0) by (apply Z; lia). rewrite T by (rewrite T0, sigmoid_0; simpl; lra).
replace (1 - (1 - sigmoid (tau 0 0%nat))) with (sigmoid (tau 0 0%nat)) by ring. replace (1 - (1 - sigmoid (tau t 0%nat))) with (sigmoid (tau t 0%nat)) by ring.
unfold turns, again, sE, piE; simpl. f_equal. field.
Qed.

(* The claim's minimal chain: b needs (H(b_1) - H(b_0))/(w_d n_E (1 - p_E)). *)
Corollary C5_time_minimal pE aE bE (pi : R -> nat -> R) (tau : R -> nat -> R) w v t0 t1 :
  0 < pE < 1 -> 0 < aE < 1 -> 0 < bE < 1 -> 0 < v ->
  let nE := 1 / (1 - (pE * (1 - aE) + (1 - pE) * bE)) in let b t := 1 - sigmoid (tau t 1%nat) in
  (forall t d, is_derive (fun x => sft 2 (two pE (1 - pE)) (two aE (1 - bE)) (pi t) (fun y => sigmoid (upd (tau t) 1 x y)) w v)
     (tau t 1%nat) d -> is_derive (fun x => tau x 1%nat) t d) ->
  t0 < t1 -> b t1 < bE -> t1 - t0 = (clock bE (b t1) - clock bE (b t0)) / (v * nE * (1 - pE)).
Proof.
intros HP HA HB V nE b F L B. assert (P : policy 2 (two pE (1 - pE)) (two aE (1 - bE))).
{ split; [simpl; ring|]. split; intros [|y] _; simpl; lra. }
assert (E : ends 2 (two pE (1 - pE)) (two aE (1 - bE)) 1)
  by (right; split; [reflexivity|]; exists 0%nat; simpl; repeat split; lra || lia).
destruct (decision_time 2 _ _ pi tau w v 1 t0 t1 P E V ltac:(lia) ltac:(simpl; lra) ltac:(simpl; lra) F L) as [T _].
rewrite T by (simpl; fold (b t1); lra). unfold imitation_time, turns, again, nE; simpl. fold (b t1) (b t0).
replace (1 - (1 - bE)) with bE by ring.
replace (1 * (0 + pE * (1 - aE) + (1 - pE) * bE)) with (pE * (1 - aE) + (1 - pE) * bE) by ring. reflexivity.
Qed.

Example C5_time_minimal_met z0 : let piE := two (1 / 2) (1 - 1 / 2) in let sE := two (1 / 2) (1 - 3 / 4) in exists z tau : R -> nat -> R,
  let b t := 1 - sigmoid (tau t 1%nat) in (forall j, (j < 2)%nat -> z 0 j = z0 j /\ tau 0 j = 0)
  /\ (forall t d, is_derive (fun x => sft 2 piE sE (softmax 2 (z t)) (fun y => sigmoid (upd (tau t) 1 x y)) (fun _ => 1) 1) (tau t 1%nat) d
        -> is_derive (fun x => tau x 1%nat) t d)
  /\ forall t, t < 0 -> 0 - t = (clock (3 / 4) (b 0) - clock (3 / 4) (b t))
       / (1 * (1 / (1 - (1 / 2 * (1 - 1 / 2) + (1 - 1 / 2) * (3 / 4)))) * (1 - 1 / 2)).
Proof.
intros piE sE. destruct (imitation_flow 2 piE sE (fun _ => 1) 1 z0 (fun _ => 0) ltac:(lia)) as [z [tau [Z D]]]. exists z, tau. intro b.
split; [exact Z|]. assert (F : forall t d, is_derive (fun x => sft 2 piE sE (softmax 2 (z t)) (fun y => sigmoid (upd (tau t) 1 x y)) (fun _ => 1) 1)
  (tau t 1%nat) d -> is_derive (fun x => tau x 1%nat) t d) by (intro t; apply (D t 1%nat); lia).
split; [exact F|]. intros t L. assert (T1 : tau 0 1%nat = 0) by (apply Z; lia).
apply (C5_time_minimal (1 / 2) (1 / 2) (3 / 4) (fun t => softmax 2 (z t)) tau (fun _ => 1) 1 t 0 ltac:(lra) ltac:(lra) ltac:(lra) ltac:(lra) F L).
rewrite T1, sigmoid_0. lra.
Qed.

(* C5-time: under the mean of the stages the decision's weight is v/(w + v), w that of the answer. Then it takes (w + v)/(2 v) times as
   long as with equal weights, strictly more the larger w, without bound. *)
Theorem stage_mean_time n piE sE j x0 x1 w v : policy n piE sE -> ends n piE sE 1 -> 0 < piE j -> 0 < w -> 0 < v ->
  imitation_time n piE sE (v / (w + v)) j x0 x1 = (w + v) / (2 * v) * imitation_time n piE sE (1 / 2) j x0 x1
  /\ (forall w', w < w' -> (w + v) / (2 * v) < (w' + v) / (2 * v)) /\ (forall k, 2 * k * v <= w -> k < (w + v) / (2 * v)).
Proof.
intros P E Pj W V. pose proof (turns_pos n piE sE P E) as N. split; [|split].
- unfold imitation_time. field. repeat split; lra.
- intros w' H. apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat; lra | lra].
- intros k H. apply Rmult_lt_reg_r with (2 * v); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

(* C5-moves. Speed: at the demonstrator the gradient's slopes, with which errors decay, are in proportion to the stage's weight; in the
   logits of the answers - n_E w times the demonstrator's covariance, in a stop logit - n_E v times visits and variance. *)
Theorem sft_rates n piE sE z t w v i j : (0 < n)%nat -> (i < n)%nat -> (j < n)%nat -> Sum n piE = 1 ->
  (forall y, (y < n)%nat -> softmax n z y = piE y) -> sigmoid t = sE j ->
  is_derive (fun x => turns n piE sE 1 * (w * piE i - softmax n (upd z j x) i * Sum n (fun y => w * piE y))) (z j)
    (- (turns n piE sE 1 * w) * (piE i * (delta i j - piE j)))
  /\ is_derive (fun x => turns n piE sE 1 * (v * piE j * (sE j - sigmoid x))) t
    (- (turns n piE sE 1 * v) * (piE j * (sE j * (1 - sE j)))).
Proof.
intros N Hi Hj H A B. split.
- rewrite Sum_scal, H. evar_last.
  + apply is_derive_scal. apply (is_derive_minus (fun _ => w * piE i) (fun x => softmax n (upd z j x) i * (w * 1))); [apply @is_derive_const|].
    apply (product_derive (fun x => softmax n (upd z j x) i) (fun _ => w * 1)); [apply softmax_table_derive; assumption | apply @is_derive_const].
  + rewrite !A by assumption. unfold minus, plus, opp, zero; simpl. ring.
- evar_last.
  + apply is_derive_scal, is_derive_scal. apply (is_derive_minus (fun _ => sE j) sigmoid); [apply @is_derive_const | apply sigmoid_derive].
  + rewrite B. unfold minus, plus, opp, zero; simpl. ring.
Qed.

(* A gradient clipped to the length c: n components w g_i of sampling and m components v h_j of decisions. *)
Definition norm2 n m (g h : nat -> R) w v := Sum n (fun i => (w * g i) ^ 2) + Sum m (fun j => (v * h j) ^ 2).
Definition clipped_decision n m g h w v c j := Rmin 1 (c / sqrt (norm2 n m g h w v)) * (v * h j).

(* C5-moves: where clipping is at work, a larger weight of sampling strictly shortens each component of the decision's step. *)
Theorem clipping n m g h w w' v c i j : (i < n)%nat -> (j < m)%nat -> g i <> 0 -> h j <> 0 -> 0 < w < w' -> 0 < v -> 0 < c ->
  c <= sqrt (norm2 n m g h w v) -> Rabs (clipped_decision n m g h w' v c j) < Rabs (clipped_decision n m g h w v c j).
Proof.
intros Hi Hj G H W V C A.
assert (S : norm2 n m g h w v < norm2 n m g h w' v).
{ unfold norm2. apply Rplus_lt_compat_r. apply (Sum_lt_one n _ _ i Hi).
  - assert (0 < g i ^ 2) by (apply pow2_gt_0, G). rewrite !Rpow_mult_distr. apply Rmult_lt_compat_r; [assumption | nra].
  - intros k _. rewrite !Rpow_mult_distr. apply Rmult_le_compat_r; [apply pow2_ge_0 | nra]. }
assert (Q : sqrt (norm2 n m g h w v) < sqrt (norm2 n m g h w' v)).
{ apply sqrt_lt_1_alt. split; [|exact S]. unfold norm2. apply Rplus_le_le_0_compat; apply Sum_nonneg; intros; apply pow2_ge_0. }
set (r := sqrt (norm2 n m g h w v)) in *. set (r' := sqrt (norm2 n m g h w' v)) in *.
assert (L : c / r' < c / r) by (apply Rmult_lt_compat_l; [exact C | apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra | exact Q]]).
assert (O : c / r <= 1) by (apply Rmult_le_reg_r with r; [lra|]; unfold Rdiv; rewrite Rmult_assoc, Rinv_l by lra; lra).
assert (Z : 0 < c / r') by (apply Rdiv_lt_0_compat; lra).
unfold clipped_decision. fold r r'. rewrite !Rmin_right, !Rabs_mult by lra.
assert (0 < Rabs v * Rabs (h j)) by (apply Rmult_lt_0_compat; apply Rabs_pos_lt; [lra | exact H]).
rewrite (Rabs_pos_eq (c / r')), (Rabs_pos_eq (c / r)) by lra. apply Rmult_lt_compat_r; assumption.
Qed.

(* A shared trunk: one logit t is that of answering right and that of stopping after right answers; rho is how probability is split
   among right answers and among wrong ones, r the decisions after wrong ones. *)
Definition trunk_pi right (rho : nat -> R) t y := if right y : bool then sigmoid t * rho y else (1 - sigmoid t) * rho y.
Definition trunk_s right (r : nat -> R) t y := if right y : bool then sigmoid t else r y.
Definition trunk_best n piE sE right w v :=
  (w * P_right n piE right + v * stop_right n piE sE right) / (w + v * P_right n piE right).

(* C5-moves: then SFT's optimum is between the demonstrated probability of answering right and that of stopping there, *)
Theorem trunk_optimum n piE sE right rho r w v t : policy n piE sE -> ends n piE sE 1 -> 0 < w -> 0 < v ->
  (forall y, (y < n)%nat -> 0 < rho y) ->
  exists d, is_derive (fun x => sft n piE sE (trunk_pi right rho x) (trunk_s right r x) (fun _ => w) v) t d
    /\ (d > 0 <-> sigmoid t < trunk_best n piE sE right w v) /\ (d < 0 <-> sigmoid t > trunk_best n piE sE right w v).
Proof.
intros P E W V R. pose proof (turns_pos n piE sE P E) as N. pose proof (sigmoid_in t) as S. destruct P as [H [P SE]].
set (p := P_right n piE right). set (A := stop_right n piE sE right).
assert (P0 : 0 <= p) by (apply Sum_nonneg; intros y Hy; apply Rmult_le_pos; [apply P, Hy | apply ind_in]).
assert (VP : 0 <= v * p) by (apply Rmult_le_pos; lra).
exists (turns n piE sE 1 * ((w + v * p) * (trunk_best n piE sE right w v - sigmoid t))). split.
- apply is_derive_ext with (fun x => turns n piE sE 1 * Sum n (fun y => piE y * (w * ln (trunk_pi right rho x y)
    + v * (sE y * ln (trunk_s right r x y) + (1 - sE y) * ln (1 - trunk_s right r x y))))); [intro x; rewrite sft_sum; reflexivity|].
  apply is_derive_scal. destruct (sigmoid_log_derive t) as [DL DR]. evar_last.
  + apply (Sum_derive n (fun x y => piE y * (w * ln (trunk_pi right rho x y)
      + v * (sE y * ln (trunk_s right r x y) + (1 - sE y) * ln (1 - trunk_s right r x y))))
      (fun y => w * (piE y * ind right y) - w * sigmoid t * piE y
         + v * (piE y * ind right y * sE y) - v * sigmoid t * (piE y * ind right y))).
    intros y Hy. evar_last.
    * apply is_derive_scal. apply (sum_derive (fun x => w * ln (trunk_pi right rho x y))
        (fun x => v * (sE y * ln (trunk_s right r x y) + (1 - sE y) * ln (1 - trunk_s right r x y)))); apply is_derive_scal.
      -- apply is_derive_ext with (fun x => (if right y then ln (sigmoid x) else ln (1 - sigmoid x)) + ln (rho y)).
         ++ intro x. pose proof (sigmoid_in x). unfold trunk_pi. destruct (right y); rewrite ln_mult by (try apply R; assumption || lra); reflexivity.
         ++ apply (sum_derive (fun x => if right y then ln (sigmoid x) else ln (1 - sigmoid x)) (fun _ => ln (rho y)) t
              (ind right y - sigmoid t)); [|apply @is_derive_const].
            unfold ind. destruct (right y); [exact DL | evar_last; [exact DR | ring]].
      -- apply (sum_derive (fun x => sE y * ln (trunk_s right r x y)) (fun x => (1 - sE y) * ln (1 - trunk_s right r x y)) t
           (sE y * (ind right y * (1 - sigmoid t))) ((1 - sE y) * (ind right y * - sigmoid t))); apply is_derive_scal; unfold trunk_s, ind;
           destruct (right y); try (evar_last; [eassumption | ring]); (evar_last; [apply @is_derive_const | unfold zero; simpl; ring]).
    * unfold zero; simpl. ring.
  + rewrite Sum_minus, Sum_plus, Sum_minus, !Sum_scal, H. fold (P_right n piE right). fold (stop_right n piE sE right).
    unfold trunk_best. fold p A. field. lra.
- assert (K : 0 < turns n piE sE 1 * (w + v * p)) by (apply Rmult_lt_0_compat; lra).
  rewrite <- Rmult_assoc. set (k := turns n piE sE 1 * (w + v * p)) in *. clearbody k. split; split; intro; nra.
Qed.

(* and a larger weight of sampling moves it strictly towards the former, unless the two agree. *)
Theorem trunk_moves n piE sE right w w' v : 0 < w < w' -> 0 < v -> 0 < P_right n piE right ->
  let pE := P_right n piE right in let aE := rate_a n piE sE right in
  let best := trunk_best n piE sE right w v in let more := trunk_best n piE sE right w' v in
  (aE < pE -> best < more < pE) /\ (aE > pE -> pE < more < best) /\ (aE = pE -> best = pE /\ more = pE).
Proof.
intros W V P0 pE aE best more.
assert (X : forall u, 0 < u -> trunk_best n piE sE right u v = pE + v * pE * (aE - pE) / (u + v * pE)).
{ intros u U. unfold trunk_best, aE, rate_a. fold pE. fold pE in P0. assert (0 < v * pE) by (apply Rmult_lt_0_compat; assumption). field. lra. }
unfold best, more. rewrite !X by lra. fold pE in P0. assert (VP : 0 < v * pE) by (apply Rmult_lt_0_compat; assumption).
assert (I : 0 < / (w' + v * pE) < / (w + v * pE)).
{ split; [apply Rinv_0_lt_compat; lra | apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra | lra]]. }
unfold Rdiv. set (i := / (w + v * pE)) in *. set (i' := / (w' + v * pE)) in *. clearbody i i'.
split; [|split]; intro C.
- assert (K : 0 < v * pE * (pE - aE)) by (apply Rmult_lt_0_compat; lra). nra.
- assert (K : 0 < v * pE * (aE - pE)) by (apply Rmult_lt_0_compat; lra). nra.
- rewrite C. split; ring.
Qed.

(* C5-moves: where demonstrations never go, a stop logit of a table never moves, at any weights. *)
Theorem uncovered n piE sE (pi : R -> nat -> R) (tau : R -> nat -> R) w v j : (j < n)%nat -> piE j = 0 ->
  (forall t d, is_derive (fun x => sft n piE sE (pi t) (fun y => sigmoid (upd (tau t) j x y)) w v) (tau t j) d
     -> is_derive (fun x => tau x j) t d) ->
  forall t u, t < u -> tau t j = tau u j.
Proof.
intros Hj Z F t u L. apply (eq_is_derive (fun x => tau x j) t u); [|exact L]. intros r _. apply F.
evar_last; [apply sft_decision, Hj|]. rewrite Z. unfold zero; simpl. ring.
Qed.

Example uncovered_met z0 tau0 : let piE := two 1 0 in let sE := two (1 / 2) (1 / 2) in exists z tau : R -> nat -> R,
  (forall j, (j < 2)%nat -> z 0 j = z0 j /\ tau 0 j = tau0 j)
  /\ (forall t j, (j < 2)%nat -> forall d,
       is_derive (fun x => sft 2 piE sE (softmax 2 (z t)) (fun y => sigmoid (upd (tau t) j x y)) (fun _ => 1) 1) (tau t j) d
       -> is_derive (fun x => tau x j) t d)
  /\ forall t, 0 < t -> tau 0 1%nat = tau t 1%nat.
Proof.
intros piE sE. destruct (imitation_flow 2 piE sE (fun _ => 1) 1 z0 tau0 ltac:(lia)) as [z [tau [Z D]]]. exists z, tau. split; [exact Z|].
split; [intros t j Hj; apply (D t j Hj)|]. intros t L.
apply (uncovered 2 piE sE (fun t => softmax 2 (z t)) tau (fun _ => 1) 1 1 ltac:(lia) eq_refl ltac:(intro u; apply (D u 1%nat); lia) 0 t L).
Qed.
